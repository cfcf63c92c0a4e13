"""Tiny RoBERTa models with their outputs, gradients and three AdamW steps: tests/fixtures/roberta/ (see model_fixture.py).

    python tools/golden/roberta.py

Positions start behind the padding id, which is 1; one segment kind, as in the published models.
"""

from functools import partial

import torch
import transformers
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaForSequenceClassification

import model_fixture as fixture

write = partial(fixture.write, "roberta.py", "roberta")


def tiny_config(**changes):
    own = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    return RobertaConfig(**{**fixture.SIZES, "hidden_act": "gelu", **own, **changes})


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    write("masked-lm", RobertaForMaskedLM(tiny_config()), 21, fixture.masked_batch, fixture.logits)
    # The head of masked words is a GELU whatever the layers have.
    relu = tiny_config(hidden_act="relu", num_hidden_layers=1)
    write("masked-lm-relu", RobertaForMaskedLM(relu), 22, fixture.masked_batch, fixture.logits)
    classifier = RobertaForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 23, fixture.classification_batch, fixture.logits)


if __name__ == "__main__":
    main()
