"""How the Python sides answer: lines of JSON (stepper.mjs, bench/gpu/side.mjs)."""

import json
import re
import sys


def say(value):
    print(json.dumps(value), flush=True)


def answer_lines(pattern, known, answer):
    """Says that it is ready, then answers every line of standard input that fits the pattern."""
    say({"ready": True})
    for line in sys.stdin:
        found = re.fullmatch(pattern, line.strip())
        if found:
            say(answer(*found.groups()))
        elif line.strip():
            say({"error": f"unknown command {line.strip()!r}; only '{known}'"})


def answer_blocks(block):
    """`block` makes so many steps and gives their milliseconds."""
    answer_lines(r"steps (\d+)", "steps N", lambda count: {"blockMs": block(int(count))})
