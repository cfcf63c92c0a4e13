"""Tiny models with the heads of other tasks than texts' classes, their outputs, gradients and three AdamW steps (see
model_fixture.py): token-classification/, question-answering/ and multiple-choice/ in tests/fixtures/<family>/.

    python tools/golden/token_heads.py

Classes of tokens: −100 at about half of the real tokens and at all padding. Answers: where they begin and end in each
row; no padding, whose scores transformers' loss counts. Multiple choice: three questions with two options each, `[3, 2, T]`.
GPT's and GPT-2's heads for options are those of their DoubleHeadsModel, whose other loss is left out.
"""

import torch
import transformers
from transformers import (
    AlbertForMultipleChoice,
    AlbertForQuestionAnswering,
    AlbertForTokenClassification,
    BartForQuestionAnswering,
    BertForMultipleChoice,
    BertForQuestionAnswering,
    BertForTokenClassification,
    ErnieForMultipleChoice,
    ErnieForQuestionAnswering,
    ErnieForTokenClassification,
    GPT2ForQuestionAnswering,
    GPT2ForTokenClassification,
    RobertaForMultipleChoice,
    RobertaForQuestionAnswering,
    RobertaForTokenClassification,
)

import albert
import bart
import bert
import ernie
import gpt2
import model_fixture as fixture
import openai_gpt
import roberta

CLASSES = {"num_labels": 3, "id2label": {0: "O", 1: "B-x", 2: "I-x"}, "label2id": {"O": 0, "B-x": 1, "I-x": 2}}
QUESTIONS, OPTIONS = 3, 2


class OfOptions:
    """Loss and scores are those of the options."""

    def forward(self, **inputs):
        result = super().forward(**inputs)
        result.loss, result.logits = result.mc_loss, result.mc_logits
        return result


class GPT2DoubleHeadsModel(OfOptions, transformers.GPT2DoubleHeadsModel):
    pass


class OpenAIGPTDoubleHeadsModel(OfOptions, transformers.OpenAIGPTDoubleHeadsModel):
    """transformers flattens the options' ids, but not their mask."""

    def forward(self, attention_mask, **inputs):
        return super().forward(attention_mask=attention_mask.flatten(0, -2), **inputs)


def token_batch(config, generator):
    batch, _ = fixture.draw_batch(config, generator)
    shape = batch["input_ids"].shape
    drawn = torch.randint(0, config.num_labels, shape, generator=generator)
    scored = (torch.rand(shape, generator=generator) < 0.5) & (batch["attention_mask"] == 1)
    return {**batch, "labels": torch.where(scored, drawn, -100)}


def answers(batch):
    return {**batch, "start_positions": torch.tensor([3, 0, 5]), "end_positions": torch.tensor([4, 0, 7])}


def answer_batch(config, generator):
    return answers(fixture.draw_batch(config, generator, lengths=(9, 9, 9))[0])


def bart_answer_batch(config, generator):
    ids, mask = bart.sequences(config, generator, (9, 9, 9))
    return answers({"input_ids": ids, "attention_mask": mask})


def choice_batch(config, generator):
    rows, _ = fixture.draw_batch(config, generator, sequences=QUESTIONS * OPTIONS, lengths=(9, 6, 8, 7, 9, 5))
    batch = {key: value.view(QUESTIONS, OPTIONS, -1) for key, value in rows.items()}
    return {**batch, "labels": torch.tensor([1, 0, 1])}


def double_heads_batch(config, generator):
    batch = gpt2.without_types(choice_batch(config, generator))
    last = batch["attention_mask"].sum(-1) - 1
    return {"mc_labels": batch.pop("labels"), "mc_token_ids": last, **batch}


def plain(make_batch):
    """Without token types, which GPT-2 looks up among the words."""
    return lambda config, generator: gpt2.without_types(make_batch(config, generator))


def answer_logits(result, batch):
    return {"logits": torch.stack([result.start_logits, result.end_logits], dim=-1)}


def no_states(result, model, tensors):
    """The states of options lie in rows of their own; those of the other heads are compared already."""


def write(family, name, model, seed, make_batch, outputs, **more):
    fixture.write("token_heads.py", family, name, model, seed, make_batch, outputs, **more)


def tag(family, model, seed, make_batch=token_batch):
    write(family, "token-classification", model, seed, make_batch, fixture.logits)


def read(family, model, seed, make_batch=answer_batch, **more):
    write(family, "question-answering", model, seed, make_batch, answer_logits, **more)


def choose(family, model, seed, make_batch=choice_batch):
    write(family, "multiple-choice", model, seed, make_batch, fixture.logits, keep_states=no_states)


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    tag("bert", BertForTokenClassification(bert.tiny_config(**CLASSES)), 15)
    read("bert", BertForQuestionAnswering(bert.tiny_config()), 16)
    choose("bert", BertForMultipleChoice(bert.tiny_config()), 17)
    tag("roberta", RobertaForTokenClassification(roberta.tiny_config(**CLASSES)), 24)
    read("roberta", RobertaForQuestionAnswering(roberta.tiny_config()), 25)
    choose("roberta", RobertaForMultipleChoice(roberta.tiny_config()), 26)
    tag("albert", AlbertForTokenClassification(albert.tiny_config(**CLASSES)), 51)
    read("albert", AlbertForQuestionAnswering(albert.tiny_config()), 52)
    choose("albert", AlbertForMultipleChoice(albert.tiny_config()), 53)
    tag("ernie", ErnieForTokenClassification(ernie.tiny_config(**CLASSES)), 44)
    read("ernie", ErnieForQuestionAnswering(ernie.tiny_config()), 45)
    choose("ernie", ErnieForMultipleChoice(ernie.tiny_config()), 46)
    undropped = {"classifier_dropout": 0.0, "summary_first_dropout": 0.0}
    tag("gpt2", GPT2ForTokenClassification(gpt2.tiny_config(**CLASSES, **undropped)), 64, plain(token_batch))
    read("gpt2", GPT2ForQuestionAnswering(gpt2.tiny_config()), 67, plain(answer_batch))
    choose("gpt2", GPT2DoubleHeadsModel(gpt2.tiny_config(**undropped)), 68, double_heads_batch)
    first = openai_gpt.tiny_config(summary_first_dropout=0.0)
    choose("openai-gpt", OpenAIGPTDoubleHeadsModel(first), 74, double_heads_batch)
    read("bart", BartForQuestionAnswering(bart.tiny_config()), 76, bart_answer_batch, keep_states=bart.states)


if __name__ == "__main__":
    main()
