"""Tiny models with a head over every token, their outputs, gradients and three AdamW steps (see model_fixture.py):
tests/fixtures/{bert,roberta}/token-classification/, tests/fixtures/bert/question-answering/.

    python tools/golden/token_heads.py

Classes of tokens: −100 at about half of the real tokens and at all padding. Answers: where they begin and end in each
row; no padding, whose scores transformers' loss counts.
"""

import torch
import transformers
from transformers import (
    BertForQuestionAnswering,
    BertForTokenClassification,
    RobertaForTokenClassification,
)

import bert
import model_fixture as fixture
import roberta

CLASSES = {"num_labels": 3, "id2label": {0: "O", 1: "B-x", 2: "I-x"}, "label2id": {"O": 0, "B-x": 1, "I-x": 2}}


def token_batch(config, generator):
    batch, _ = fixture.draw_batch(config, generator)
    shape = batch["input_ids"].shape
    drawn = torch.randint(0, config.num_labels, shape, generator=generator)
    scored = (torch.rand(shape, generator=generator) < 0.5) & (batch["attention_mask"] == 1)
    return {**batch, "labels": torch.where(scored, drawn, -100)}


def answer_batch(config, generator):
    batch, _ = fixture.draw_batch(config, generator, lengths=(9, 9, 9))
    return {**batch, "start_positions": torch.tensor([3, 0, 5]), "end_positions": torch.tensor([4, 0, 7])}


def answer_logits(result, batch):
    return {"logits": torch.stack([result.start_logits, result.end_logits], dim=-1)}


def write(family, name, model, seed, make_batch, outputs):
    fixture.write("token_heads.py", family, name, model, seed, make_batch, outputs)


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    tagger = BertForTokenClassification(bert.tiny_config(**CLASSES))
    write("bert", "token-classification", tagger, 15, token_batch, fixture.logits)
    reader = BertForQuestionAnswering(bert.tiny_config())
    write("bert", "question-answering", reader, 16, answer_batch, answer_logits)
    tagger = RobertaForTokenClassification(roberta.tiny_config(**CLASSES))
    write("roberta", "token-classification", tagger, 24, token_batch, fixture.logits)


if __name__ == "__main__":
    main()
