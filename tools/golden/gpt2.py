"""Tiny GPT-2 models with their outputs, gradients and three AdamW steps: tests/fixtures/gpt2/<name>/ (see model_fixture.py).

    python tools/golden/gpt2.py

Labels are the tokens themselves, −100 at padding; transformers shifts them. Where the layers are widened (n_inner) or have
another activation, config.json says so.
"""

from functools import partial

import torch
import transformers
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel

import model_fixture as fixture

write = partial(fixture.write, "gpt2.py", "gpt2")
SIZES = {
    "vocab_size": 37,
    "n_embd": 12,
    "n_layer": 2,
    "n_head": 3,
    "n_positions": 16,
    "resid_pdrop": 0.0,
    "embd_pdrop": 0.0,
    "attn_pdrop": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "attn_implementation": "eager",
}


def without_types(batch):
    """GPT's token types are looked up among the words: they must not be given."""
    return {key: value for key, value in batch.items() if key != "token_type_ids"}


def next_word_batch(config, generator):
    batch, _ = fixture.draw_batch(config, generator)
    labels = torch.where(batch["attention_mask"] == 1, batch["input_ids"], -100)
    return {**without_types(batch), "labels": labels}


def classification_batch(config, generator):
    return without_types(fixture.classification_batch(config, generator))


def in_double(model):
    """Computes the loss in the logits' precision: transformers' own rounds them to float32 first."""

    def loss(logits, labels, vocab_size=None, **_):
        return torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())

    model.loss_function = loss
    return model


def tiny_config(**changes):
    return GPT2Config(**{**SIZES, **changes})


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    write("lm", in_double(GPT2LMHeadModel(tiny_config())), 61, next_word_batch, fixture.logits)
    relu = tiny_config(activation_function="relu", n_inner=20, n_layer=1)
    write("lm-relu", in_double(GPT2LMHeadModel(relu)), 62, next_word_batch, fixture.logits)
    classifier = GPT2ForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 63, classification_batch, fixture.logits)


if __name__ == "__main__":
    main()
