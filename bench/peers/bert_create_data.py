"""Runs the data creation of Google's BERT, as the package bert-tensorflow 1.0.4 carries it, on a text.

    python bench/peers/bert_create_data.py TEXT VOCAB.txt OUT.tfrecord [--dupe-factor 1] [--module PATH]

Needs the packages of bench/peers/requirements-bert.txt in an environment of their own. Its own default duplicates the data
ten times; 1 does the work once, as Firth does. `--module` (or FIRTH_BERT_CREATE_DATA) names another copy of
create_pretraining_data.py. Prints one JSON line.
"""

import argparse
import json
import os
import runpy
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

parser = argparse.ArgumentParser()
parser.add_argument("text")
parser.add_argument("vocab")
parser.add_argument("out")
parser.add_argument("--dupe-factor", type=int, default=1)
parser.add_argument("--module", default=os.environ.get("FIRTH_BERT_CREATE_DATA", ""))
options = parser.parse_args()

started = time.perf_counter()
sys.argv = [
    "create_pretraining_data.py",
    f"--input_file={options.text}",
    f"--output_file={options.out}",
    f"--vocab_file={options.vocab}",
    "--do_lower_case=True",
    "--max_seq_length=128",
    "--max_predictions_per_seq=20",
    f"--dupe_factor={options.dupe_factor}",
]
try:
    if options.module:
        sys.path.insert(0, os.path.dirname(os.path.abspath(options.module)))
        runpy.run_path(options.module, run_name="__main__")
    else:
        runpy.run_module("bert.create_pretraining_data", run_name="__main__", alter_sys=True)
except SystemExit as end:
    if end.code not in (None, 0):
        raise
import tensorflow  # noqa: E402  (after the time that a user waits for it)

print(json.dumps({"seconds": time.perf_counter() - started, "versions": {"tensorflow": tensorflow.__version__, "bert-tensorflow": "1.0.4"}}))
