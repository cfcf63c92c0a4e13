"""Tiny ALBERT models with their outputs, gradients and three AdamW steps: tests/fixtures/albert/ (see model_fixture.py).

    python tools/golden/albert.py
"""

from functools import partial

import torch
import transformers
from transformers import AlbertConfig, AlbertForMaskedLM, AlbertForPreTraining, AlbertForSequenceClassification

import model_fixture as fixture

write = partial(fixture.write, "albert.py", "albert")


def tiny_config(**changes):
    own = {"embedding_size": 7, "num_hidden_layers": 3, "classifier_dropout_prob": 0.0, "hidden_act": "gelu_new"}
    return AlbertConfig(**{**fixture.SIZES, **own, **changes})


def pretraining_batch(config, generator):
    return {**fixture.masked_batch(config, generator), "sentence_order_label": torch.tensor([1, 0, 1])}


def share(part):
    """Makes one part of all layers the same, which transformers cannot say; `firth_sharing` in config.json does."""

    def tie(model):
        layers = [group.albert_layers[0] for group in model.albert.encoder.albert_layer_groups]
        for layer in layers[1:]:
            if part == "attention":
                layer.attention = layers[0].attention
            else:
                layer.ffn, layer.ffn_output = layers[0].ffn, layers[0].ffn_output
                layer.full_layer_layer_norm = layers[0].full_layer_layer_norm

    return tie


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    outputs = fixture.pair_outputs("sentence_order_label", "sop_logits")
    write("pretraining", AlbertForPreTraining(tiny_config()), 31, pretraining_batch, outputs)
    # Four layers in two groups, and every layer by itself.
    groups = tiny_config(num_hidden_layers=4, num_hidden_groups=2, hidden_act="gelu")
    write("masked-lm-two-groups", AlbertForMaskedLM(groups), 32, fixture.masked_batch, fixture.logits)
    unshared = tiny_config(num_hidden_layers=2, num_hidden_groups=2)
    write("masked-lm-unshared", AlbertForMaskedLM(unshared), 33, fixture.masked_batch, fixture.logits)
    # With seed 36 an element's gradient is so near 0 that PyTorch's own float32 run leaves the float64 one by 1e-4.
    for seed, part, name in [(35, "attention", "attention"), (37, "feedForward", "feed-forward")]:
        config = tiny_config(num_hidden_groups=3, firth_sharing=part)
        tied = {"tie": share(part)}
        write(f"masked-lm-shared-{name}", AlbertForMaskedLM(config), seed, fixture.masked_batch, fixture.logits, **tied)
    classifier = AlbertForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 34, fixture.classification_batch, fixture.logits)


if __name__ == "__main__":
    main()
