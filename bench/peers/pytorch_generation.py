"""Texts for given prompts, as firth-generation.mjs writes them, by transformers' generate with its cache.

    python bench/peers/pytorch_generation.py --model FOLDER --prompts FILE --tokens 64 --dtype f32|bf16

Greedy; no token ends a text. One step for each line "step" on standard input, answered by one JSON line {"stepMs": …}; a
report follows the end of input.
"""

import argparse
import json
import platform
import resource
import sys
import time
import warnings


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--prompts", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    return parser.parse_args()


def say(value):
    print(json.dumps(value), flush=True)


def main():
    options = parse()
    warnings.filterwarnings("ignore")
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    if options.threads:
        torch.set_num_threads(options.threads)
    dtype = torch.bfloat16 if options.dtype == "bf16" else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype).eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    with open(options.prompts, encoding="utf-8") as file:
        prompts = torch.tensor(json.load(file))
    mask = torch.ones_like(prompts)

    def step():
        with torch.inference_mode():
            return model.generate(prompts, attention_mask=mask, max_new_tokens=options.tokens, do_sample=False, use_cache=True)

    written, times = None, []
    say({"ready": True})
    for line in sys.stdin:
        if line.strip() != "step":
            continue
        began = time.perf_counter()
        written = step()
        times.append(1000 * (time.perf_counter() - began))
        say({"stepMs": times[-1]})
    report = {
        "allStepMs": times,
        "peakRssBytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "engine": "pytorch",
        "description": f"PyTorch {torch.__version__}, transformers {transformers.__version__}, Python {platform.python_version()}",
        "threads": torch.get_num_threads(),
        "tokens": written[:, prompts.shape[1] :].tolist(),
    }
    say(report)


if __name__ == "__main__":
    main()
