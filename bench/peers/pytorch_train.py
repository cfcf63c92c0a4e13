"""The step that `firth bench train` measures, done by PyTorch and transformers.

    python bench/peers/pytorch_train.py --model bert-base --batch 8 --seq 128

One step: forward with dropout 0.1, the family's loss (pytorch_models.py: of BERT masked words, of GPT-2 and BART every token
written), backward, clipping of the gradients to a global norm of 1, AdamW (no decay on bias and LayerNorm). Parameters,
optimizer state and loss are float32; with --dtype bf16 the matrix products run under autocast. Batches are drawn before the
timing starts.

Two heads: `gathered` applies the head to the scored positions only (the same work as Firth's); `stock` is the forward of
transformers' own model with labels, which computes the logits of every position.

Prints one JSON object. With --interactive each line "step" on standard input makes one step and is answered by one JSON line
{"stepMs": …}; at the end of input the report over those steps is printed.
"""

import argparse
import os
import platform
import resource
import statistics
import sys
import time

from answers import answer_lines, say
from pytorch_models import SIZES, family_of


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", choices=SIZES, default="bert-base")
    parser.add_argument("--vocab", type=int, default=30522)
    parser.add_argument("--batch", type=int, default=8, help="rows a step")
    parser.add_argument("--seq", type=int, default=128, help="tokens a row; of BART on each side")
    parser.add_argument("--head", choices=("gathered", "stock"), default="gathered")
    parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--optimizer", choices=("auto", "fused", "foreach", "loop"), default="auto")
    parser.add_argument("--compile", action="store_true", help="torch.compile (needs a C++ compiler)")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--attention-dropout", type=float, help="of attention's probabilities; --dropout when left out")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: PyTorch's own choice")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--interactive", action="store_true")
    return parser.parse_args()


def import_torch():
    try:
        import torch
        import transformers
    except ImportError as error:
        print(f"bench/peers: {error}. Run: pip install -r bench/peers/requirements.txt", file=sys.stderr)
        sys.exit(2)
    transformers.utils.logging.set_verbosity_error()
    return torch, transformers


def moved(value, device):
    """Tensors of a batch, on a device."""
    if isinstance(value, dict):
        return {key: moved(inner, device) for key, inner in value.items()}
    return value if value is None else value.to(device)


class Step:
    """Model, optimizer and batches; calling it makes one update and returns the loss."""

    def __init__(self, options, torch, transformers):
        self.options, self.torch = options, torch
        torch.manual_seed(options.seed)
        if options.threads:
            torch.set_num_threads(options.threads)
        self.family = family_of(options, torch)
        self.model = getattr(transformers, self.family.architecture)(self.family.config(transformers)).train()
        self.model.to(options.device)
        self.head = getattr(self.model, self.family.head)
        self.parameters = list(self.model.parameters())
        self.parameter_count = sum(parameter.numel() for parameter in self.parameters)
        self.batches = [moved(self.family.draw(), options.device) for _ in range(4)]
        self.optimizer, self.optimizer_ms = self.choose_optimizer()
        self.loss = torch.compile(self.compute_loss) if options.compile else self.compute_loss
        self.count = 0

    def compute_loss(self, inputs, places, targets, labels):
        torch, extra = self.torch, self.family.extra
        with torch.autocast(self.options.device, dtype=torch.bfloat16, enabled=self.options.dtype == "bf16"):
            if self.options.head == "stock":
                return self.model(**inputs, **extra, labels=labels).loss
            states = self.model.base_model(**inputs, **extra).last_hidden_state.flatten(0, 1)
            logits = self.head(states if places is None else states[places])
            return torch.nn.functional.cross_entropy(logits, targets)

    def make_optimizer(self, kind):
        groups = [
            {"params": [p for p in self.parameters if p.dim() > 1], "weight_decay": 0.01},
            {"params": [p for p in self.parameters if p.dim() < 2], "weight_decay": 0.0},
        ]
        flags = {"fused": kind == "fused", "foreach": kind == "foreach"}
        return self.torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.999), eps=1e-6, **flags)

    def choose_optimizer(self):
        """The fastest of PyTorch's three implementations, timed on these parameters (rate 0, so nothing moves)."""
        if self.options.optimizer != "auto":
            return self.make_optimizer(self.options.optimizer), {}
        for parameter in self.parameters:
            parameter.grad = self.torch.full_like(parameter, 1e-3)
        found = {}
        for kind in ("fused", "foreach", "loop"):
            optimizer = self.make_optimizer(kind)
            for group in optimizer.param_groups:
                group["lr"] = 0.0
            times = []
            for _ in range(4):
                start = time.perf_counter()
                optimizer.step()
                times.append(1000 * (time.perf_counter() - start))
            found[kind] = statistics.median(times[1:])
            del optimizer
        for parameter in self.parameters:
            parameter.grad = None
        return self.make_optimizer(min(found, key=found.get)), found

    def make(self):
        """One update; the loss stays where it was computed."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(**self.batches[self.count % len(self.batches)])
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.count += 1
        return loss.detach()

    def __call__(self):
        return self.make().item()

    def timed(self):
        start = time.perf_counter()
        loss = self()
        return 1000 * (time.perf_counter() - start), loss

    def optimizer_kind(self):
        group = self.optimizer.param_groups[0]
        return "fused" if group["fused"] else "foreach" if group["foreach"] else "loop"


def report(step, times, losses, torch, transformers):
    options = step.options
    median = statistics.median(times) if times else None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
    kind = step.optimizer_kind()
    return {
        "peer": "pytorch",
        "variant": f"{options.head} {options.dtype} {options.attention}" + (" compile" if options.compile else ""),
        "model": options.model,
        "vocab": options.vocab,
        "batch": options.batch,
        "seq": options.seq,
        "dropout": options.dropout,
        "scoredPositions": options.batch * step.family.scored_per_row,
        "parameters": step.parameter_count,
        "tokensPerSecond": 1000 * step.family.sides * options.batch * options.seq / median if times else None,
        "stepMs": median,
        "allStepMs": times,
        "losses": losses,
        "optimizer": kind,
        "optimizerMs": step.optimizer_ms,
        "optimizerNsPerParameter": 1e6 * step.optimizer_ms[kind] / step.parameter_count if step.optimizer_ms else None,
        "peakRssBytes": peak,
        "threads": torch.get_num_threads(),
        "cpuCapability": torch.backends.cpu.get_cpu_capability(),
        "warmup": options.warmup,
        "steps": len(times),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def main():
    options = parse()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch, transformers = import_torch()
    step = Step(options, torch, transformers)
    for _ in range(options.warmup):
        step()
    times, losses = [], []

    def one():
        elapsed, loss = step.timed()
        times.append(elapsed)
        losses.append(loss)
        return {"stepMs": elapsed, "loss": loss}

    if options.interactive:
        answer_lines("step", "step", one)
    else:
        for _ in range(options.steps):
            one()
    say(report(step, times, losses, torch, transformers))


if __name__ == "__main__":
    main()
