"""Tokenizes text lines with Hugging Face `datasets.map` and the Rust tokenizer on all cores, and saves the result.

    python bench/peers/datasets_map.py TEXT TOKENIZER_FOLDER OUT_FOLDER [--num-proc 2] [--batch-size 1000]

The work is that of `firth data prepare --sentences line`: every line that is not blank becomes token ids without special
tokens, in the order of the text. Prints one JSON line.
"""

import argparse
import json
import os
import shutil
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("text")
parser.add_argument("tokenizer")
parser.add_argument("out")
parser.add_argument("--num-proc", type=int, default=os.cpu_count())
parser.add_argument("--batch-size", type=int, default=1000)
parser.add_argument("--rayon", action="store_true", help="one process, threads inside the tokenizer")
options = parser.parse_args()

# Threads inside forked processes would fight over the cores; the library itself warns and turns them off.
os.environ["TOKENIZERS_PARALLELISM"] = "true" if options.rayon else "false"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import datasets  # noqa: E402
import numpy  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

datasets.disable_progress_bars()


def main() -> None:
    cache = tempfile.mkdtemp(prefix="datasets-", dir=os.path.dirname(os.path.abspath(options.out)))
    try:
        started = time.perf_counter()
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=os.path.join(options.tokenizer, "tokenizer.json"))
        dtype = "uint16" if len(tokenizer) <= 0x10000 else "int32"
        features = datasets.Features({"input_ids": datasets.Sequence(datasets.Value(dtype))})

        def encode(batch):
            lines = [line for line in batch["text"] if line and not line.isspace()]
            if not lines:
                return {"input_ids": []}
            return {
                "input_ids": tokenizer(
                    lines, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False
                )["input_ids"]
            }

        # The first pass of `load_dataset` turns the text into Arrow: it is part of what a user waits for.
        text = datasets.load_dataset("text", data_files=options.text, split="train", cache_dir=cache)
        loaded = time.perf_counter()
        encoded = text.map(
            encode,
            batched=True,
            batch_size=options.batch_size,
            num_proc=None if options.rayon or options.num_proc == 1 else options.num_proc,
            remove_columns=["text"],
            features=features,
        )
        mapped = time.perf_counter()
        encoded.save_to_disk(options.out)
        seconds = time.perf_counter() - started
        # Counted outside the time: the comparison needs equal work.
        column = encoded.data.column("input_ids")
        tokens = sum(int(numpy.asarray(chunk.values.slice(0)).shape[0]) for chunk in column.chunks)
        print(
            json.dumps(
                {
                    "seconds": seconds,
                    "loadSeconds": loaded - started,
                    "mapSeconds": mapped - loaded,
                    "numTokens": tokens,
                    "numSentences": len(encoded),
                    "versions": {"datasets": datasets.__version__},
                }
            )
        )
    finally:
        shutil.rmtree(cache, ignore_errors=True)


if __name__ == "__main__":
    main()
