"""Tiny GPT models with their outputs, gradients and three AdamW steps: tests/fixtures/openai-gpt/<name>/ (see model_fixture.py).

    python tools/golden/openai_gpt.py
"""

from functools import partial

import torch
import transformers
from transformers import OpenAIGPTConfig, OpenAIGPTForSequenceClassification, OpenAIGPTLMHeadModel

import model_fixture as fixture
from gpt2 import SIZES, classification_batch, in_double, next_word_batch

write = partial(fixture.write, "openai_gpt.py", "openai-gpt")


def tiny_config(**changes):
    return OpenAIGPTConfig(**{**SIZES, **changes})


def main():
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    write("lm", in_double(OpenAIGPTLMHeadModel(tiny_config())), 71, next_word_batch, fixture.logits)
    relu = tiny_config(afn="relu", n_layer=1)
    write("lm-relu", in_double(OpenAIGPTLMHeadModel(relu)), 72, next_word_batch, fixture.logits)
    classifier = OpenAIGPTForSequenceClassification(tiny_config(**fixture.CLASSES))
    write("sequence-classification", classifier, 73, classification_batch, fixture.logits)


if __name__ == "__main__":
    main()
