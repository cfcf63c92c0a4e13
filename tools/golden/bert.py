"""Tiny BERT models with their outputs, gradients and three AdamW steps: tests/fixtures/bert/<name>/ (see model_fixture.py).

    python tools/golden/bert.py
"""

import shutil
from functools import partial

import torch
import transformers
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining, BertForSequenceClassification

import model_fixture as fixture
from common import FIXTURES

write = partial(fixture.write, "bert.py", "bert")


def tiny_config(**changes):
    return BertConfig(**{**fixture.SIZES, "hidden_act": "gelu", **changes})


def pretraining_batch(config, generator):
    return {**fixture.masked_batch(config, generator), "next_sentence_label": torch.tensor([1, 0, 1])}


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    outputs = fixture.pair_outputs("next_sentence_label", "seq_relationship_logits")
    write("pretraining", BertForPreTraining(tiny_config()), 11, pretraining_batch, outputs)
    classifier = BertForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 12, fixture.classification_batch, fixture.logits)
    gelu_new = tiny_config(hidden_act="gelu_new")
    write("masked-lm-gelu-new", BertForMaskedLM(gelu_new), 13, fixture.masked_batch, fixture.logits)
    relu = tiny_config(hidden_act="relu", num_hidden_layers=1, layer_norm_eps=1e-5)
    write("masked-lm-relu", BertForMaskedLM(relu), 14, fixture.masked_batch, fixture.logits)

    sharded = FIXTURES / "bert" / "sequence-classification-sharded"
    shutil.rmtree(sharded, ignore_errors=True)
    saved = BertForSequenceClassification.from_pretrained(FIXTURES / "bert" / "sequence-classification")
    saved.save_pretrained(sharded, max_shard_size="8KB")


if __name__ == "__main__":
    main()
