"""What transformers writes with tiny models of random weights: tests/fixtures/generation/{gpt2,bart}/ and processors.json.

    python tools/golden/generation.py

Each folder has a model directory and cases.json: prompts, settings under transformers' names, and for each prompt the new
tokens of every returned text (its ending token included, padding left out) with the scores of beam searches. Every prompt is
run by itself. processors.json: scores before and after transformers' processors and warpers.
"""

import shutil

import torch
import transformers
from safetensors.torch import save_file
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

import model_fixture as fixture
from common import FIXTURES, versions, write_json

VOCAB, PAD = 61, 0
PROMPT_LENGTHS = (1, 4, 9, 14)

GREEDY = [
    {"max_new_tokens": 20},
    {"max_new_tokens": 12, "repetition_penalty": 1.3},
    {"max_new_tokens": 20, "no_repeat_ngram_size": 2, "eos_token_id": [7, 11, 30, 31]},
    {"max_new_tokens": 16, "min_new_tokens": 9, "eos_token_id": list(range(5, 40, 2))},
]


def beam_searches(one, many):
    """All settings of beam searches, with one or many tokens that end a text; such as the model likes to write."""
    searches = [
        {"num_beams": beams, "max_new_tokens": 14, "num_return_sequences": returned, "length_penalty": penalty,
         "early_stopping": stopping, "eos_token_id": eos}
        for beams, returned in ((2, 1), (4, 4))
        for penalty in (1.0, 0.0, 2.0, -1.0)
        for stopping in (False, True, "never")
        for eos in ([one], many)
    ]
    shared = {"num_beams": 3, "max_new_tokens": 12}
    return searches + [
        {**shared, "num_return_sequences": 3, "no_repeat_ngram_size": 2, "eos_token_id": many},
        {**shared, "repetition_penalty": 1.2, "min_new_tokens": 6, "eos_token_id": many},
        {"num_beams": 5, "max_new_tokens": 1, "num_return_sequences": 5, "eos_token_id": [one]},
    ]


def gpt2():
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCAB, n_embd=24, n_layer=2, n_head=3, n_positions=48, resid_pdrop=0.0, embd_pdrop=0.0,
            attn_pdrop=0.0, bos_token_id=1, eos_token_id=2, pad_token_id=PAD,
        )
    )


def bart():
    return BartForConditionalGeneration(
        BartConfig(
            vocab_size=VOCAB, d_model=24, encoder_layers=2, decoder_layers=2, encoder_attention_heads=3,
            decoder_attention_heads=4, encoder_ffn_dim=40, decoder_ffn_dim=36, max_position_embeddings=48, dropout=0.0,
            attention_dropout=0.0, activation_dropout=0.0, bos_token_id=1, eos_token_id=2, pad_token_id=PAD,
            decoder_start_token_id=2, forced_eos_token_id=None,
        )
    )


def written(model, prompt, settings):
    """New tokens of all returned texts of one prompt, and their scores where it is a beam search."""
    ids = torch.tensor([prompt])
    start = 1 if model.config.is_encoder_decoder else len(prompt)
    settings = {"eos_token_id": [2], **settings}
    result = model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=PAD, return_dict_in_generate=True,
        output_scores=True, **settings,
    )
    texts = []
    for row in result.sequences.tolist():
        new = row[start:]
        end = next((i + 1 for i, token in enumerate(new) if token in settings["eos_token_id"]), len(new))
        texts.append(new[:end])
    scores = getattr(result, "sequences_scores", None)
    return {"tokens": texts, **({} if scores is None else {"scores": scores})}


def write_model(name, model, seed, extra, ends):
    generator = torch.Generator().manual_seed(seed)
    fixture.randomise(model, generator)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # Sharper than the fixtures of the forward pass: no two tokens nearly equal, texts that do not repeat at once.
            if parameter.dim() == 2:
                parameter.mul_(2)
    model.eval()
    folder = FIXTURES / "generation" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.config.save_pretrained(folder)
    tied = set(getattr(model, "_tied_weights_keys", None) or {})
    tensors = {key: value.contiguous().clone() for key, value in model.state_dict().items() if key not in tied}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    lengths = PROMPT_LENGTHS
    prompts = [torch.randint(3, VOCAB, (length,), generator=generator).tolist() for length in lengths]
    cases = [
        {"settings": settings, "texts": [written(model, prompt, settings) for prompt in prompts]}
        for settings in [*GREEDY, *beam_searches(*ends), *extra]
    ]
    write_json(
        folder / "cases.json",
        {"generator": "generation.py", "versions": versions("torch", "transformers"), "prompts": prompts, "cases": cases},
    )


def write_processors():
    generator = torch.Generator().manual_seed(5)
    processors = {
        "temperature": lambda value: TemperatureLogitsWarper(value),
        "topK": lambda value: TopKLogitsWarper(value),
        "topP": lambda value: TopPLogitsWarper(value),
        "repetitionPenalty": lambda value: RepetitionPenaltyLogitsProcessor(value),
        "noRepeatNgramSize": lambda value: NoRepeatNGramLogitsProcessor(value),
    }
    values = {
        "temperature": [0.3, 2.0],
        "topK": [1, 5, 36, 100],
        "topP": [0.05, 0.5, 0.9, 0.999],
        "repetitionPenalty": [0.7, 1.5],
        "noRepeatNgramSize": [1, 2, 3],
    }
    cases = []
    for name, make in processors.items():
        for value in values[name]:
            for scale in (0.5, 5.0):
                tokens = torch.randint(0, 6 if name == "noRepeatNgramSize" else 37, (1, 40), generator=generator)
                scores = scale * torch.randn((1, 37), generator=generator)
                # Equal scores at the bound: what is kept of them is part of the rule.
                scores[0, 20] = scores[0, 3]
                after = make(value)(tokens, scores.clone())
                case = {"name": name, "value": value, "tokens": tokens[0], "before": scores[0], "after": after[0]}
                cases.append(case)
    document = {"generator": "generation.py", "versions": versions("torch", "transformers"), "cases": cases}
    write_json(FIXTURES / "generation" / "processors.json", document)


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    write_model("gpt2", gpt2(), 71, [], (32, [9, 14, 32, 51, 19]))
    forced = {"forced_bos_token_id": 13, "forced_eos_token_id": 2, "max_new_tokens": 8}
    forced_cases = [forced, {**forced, "num_beams": 3, "num_return_sequences": 2}]
    write_model("bart", bart(), 72, forced_cases, (53, [9, 14, 53, 19]))
    write_processors()


if __name__ == "__main__":
    main()
