"""Tiny ERNIE models with their outputs, gradients and three AdamW steps: tests/fixtures/ernie/ (see model_fixture.py).

    python tools/golden/ernie.py
"""

from functools import partial

import torch
import transformers
from transformers import ErnieConfig, ErnieForMaskedLM, ErnieForPreTraining, ErnieForSequenceClassification

import model_fixture as fixture

write = partial(fixture.write, "ernie.py", "ernie")


def tiny_config(**changes):
    return ErnieConfig(**{**fixture.SIZES, "hidden_act": "relu", **changes})


def pretraining_batch(config, generator):
    return {**fixture.masked_batch(config, generator), "next_sentence_label": torch.tensor([1, 0, 1])}


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    outputs = fixture.pair_outputs("next_sentence_label", "seq_relationship_logits")
    write("pretraining", ErnieForPreTraining(tiny_config()), 41, pretraining_batch, outputs)
    # Task kinds are all 0, as where nothing is said of them.
    tasks = tiny_config(use_task_id=True, task_type_vocab_size=3)
    write("masked-lm-task-types", ErnieForMaskedLM(tasks), 42, fixture.masked_batch, fixture.logits)
    classifier = ErnieForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 43, fixture.classification_batch, fixture.logits)


if __name__ == "__main__":
    main()
