"""Tiny BART models with their outputs, gradients and three AdamW steps: tests/fixtures/bart/<name>/ (see model_fixture.py).

    python tools/golden/bart.py

The stacks differ in layers, heads and inner width, sources and targets in length. `final_logits_bias` is random too, though
files have zeros: a model that ignores it shows. `decoded.<n>` are the logits of the third sequence's first n target
tokens, decoded one by one with transformers' cache.
"""

from functools import partial

import torch
import transformers
from transformers import BartConfig, BartForConditionalGeneration, BartForSequenceClassification

import model_fixture as fixture

write = partial(fixture.write, "bart.py", "bart")
START, FIRST_WORD = 2, 3
SIZES = {
    "vocab_size": 37,
    "d_model": 12,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 14,
    "max_position_embeddings": 16,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "attn_implementation": "eager",
}


def tiny_config(**changes):
    return BartConfig(**{**SIZES, **changes})


def sequences(config, generator, lengths):
    """Words and an ending token in rows, padding behind; and where there is no padding."""
    longest = max(lengths)
    ids = torch.randint(FIRST_WORD, config.vocab_size, (len(lengths), longest), generator=generator)
    for row, length in enumerate(lengths):
        ids[row, length - 1] = config.eos_token_id
        ids[row, length:] = config.pad_token_id
    return ids, (torch.arange(longest)[None, :] < torch.tensor(lengths)[:, None]).long()


def writing_batch(config, generator):
    ids, mask = sequences(config, generator, (9, 6, 8))
    targets, target_mask = sequences(config, generator, (4, 7, 6))
    given = torch.cat([torch.full((3, 1), START), targets[:, :-1]], dim=1)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "decoder_input_ids": torch.where(target_mask == 1, given, config.pad_token_id),
        "decoder_attention_mask": target_mask,
        "labels": torch.where(target_mask == 1, targets, -100),
    }


def writing_outputs(model):
    def outputs(result, batch):
        cache, steps = None, []
        third = {key: batch[key][2:] for key in ("input_ids", "attention_mask")}
        with torch.no_grad():
            for place in range(6):
                step = model(
                    **third,
                    decoder_input_ids=batch["decoder_input_ids"][2:, place : place + 1],
                    past_key_values=cache,
                    use_cache=True,
                )
                cache = step.past_key_values
                steps.append(step.logits)
        decoded = torch.cat(steps, dim=1)
        assert torch.allclose(decoded, result.logits[2:, :6])
        return {"logits": result.logits, "decoded": decoded}

    return outputs


def classification_batch(config, generator):
    ids, mask = sequences(config, generator, (9, 6, 8))
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([2, 0, 1])}


def states(result, model, tensors):
    """Hidden states of both stacks: the embeddings' output, then each layer's."""
    for stack in ("encoder", "decoder"):
        for layer, state in enumerate(getattr(result, f"{stack}_hidden_states")):
            tensors[f"{stack}_hidden_states.{layer}"] = state


def writer(seed, **changes):
    model = BartForConditionalGeneration(tiny_config(**changes))
    bias = torch.randn(model.final_logits_bias.shape, generator=torch.Generator().manual_seed(seed))
    model.final_logits_bias.copy_(0.3 * bias)
    return model


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    plain = writer(71)
    write("conditional-generation", plain, 72, writing_batch, writing_outputs(plain), states)
    scaled = writer(73, scale_embedding=True, activation_function="relu", encoder_layers=1, decoder_layers=1)
    write("scaled-relu", scaled, 74, writing_batch, writing_outputs(scaled), states)
    classifier = BartForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 75, classification_batch, fixture.logits, states)


if __name__ == "__main__":
    main()
