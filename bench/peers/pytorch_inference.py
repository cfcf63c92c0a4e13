"""The classes of all texts of a file, as firth-inference.mjs gives them, by PyTorch and transformers.

    python bench/peers/pytorch_inference.py --model FOLDER --texts FILE --dtype f32|bf16|int8

Texts are tokenized in every step, ordered by length and computed 32 at a time, each batch padded to its longest text. bf16: the
whole model in bfloat16. int8: torch.ao's dynamic quantization of all linear layers. One step for each line "step" on standard
input, answered by one JSON line {"stepMs": …}; a report follows the end of input.
"""

import argparse
import json
import os
import platform
import resource
import sys
import time
import warnings


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", required=True)
    parser.add_argument("--dtype", choices=("f32", "bf16", "int8"), default="f32")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    return parser.parse_args()


def main():
    options = parse()
    warnings.filterwarnings("ignore")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    if options.threads:
        torch.set_num_threads(options.threads)
    tokenizer = transformers.BertTokenizerFast(os.path.join(options.model, "vocab.txt"), do_lower_case=True)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(options.model, dtype=torch.float32).eval()
    if options.dtype == "bf16":
        model = model.to(torch.bfloat16)
    elif options.dtype == "int8":
        model = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)
    with open(options.texts, encoding="utf-8") as file:
        texts = file.read().rstrip("\n").split("\n")

    def predict():
        encoded = tokenizer(texts, truncation=True, max_length=options.max_length)["input_ids"]
        order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
        shares = [0.0] * len(texts)
        for at in range(0, len(order), options.batch):
            part = order[at : at + options.batch]
            batch = tokenizer.pad({"input_ids": [encoded[i] for i in part]}, return_tensors="pt")
            logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
            for i, share in zip(part, logits.float().softmax(-1)[:, 1].tolist()):
                shares[i] = share
        return shares

    times, shares = [], []
    print(json.dumps({"ready": True, "threads": torch.get_num_threads()}), flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            if line.strip() == "":
                continue
            if line.strip() != "step":
                print(json.dumps({"error": f"unknown command {line.strip()!r}; only 'step'"}), flush=True)
                continue
            began = time.perf_counter()
            shares = predict()
            times.append(1000 * (time.perf_counter() - began))
            print(json.dumps({"stepMs": times[-1]}), flush=True)
    report = {
        "allStepMs": times,
        "shares": shares[:8],
        "peakRssBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "threads": torch.get_num_threads(),
        "description": f"PyTorch {torch.__version__}, transformers {transformers.__version__}, Python {platform.python_version()}",
    }
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
