"""PyTorch's side of a pre-training step on a GPU: the step of bench/peers/pytorch_train.py, in blocks (side.mjs has the protocol).

    python3 bench/gpu/peer.py --model bert-base --vocab 30522 --batch 256 --seq 128 --dtype bf16 --compile

Nothing is asked of the device within a block: the loss of its last step is read at its end. Attention is PyTorch's own
(scaled_dot_product_attention, which takes its fused kernels), AdamW its fused one.
"""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))

from answers import answer_blocks, say  # noqa: E402
from pytorch_train import Step, import_torch, parse  # noqa: E402


def main():
    options = parse()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    torch, transformers = import_torch()
    is_cuda = options.device == "cuda"
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    step = Step(options, torch, transformers)
    losses = []

    def wait():
        if is_cuda:
            torch.cuda.synchronize()

    def block(count):
        wait()
        start = time.perf_counter()
        for _ in range(count):
            loss = step.make()
        wait()
        elapsed = 1000 * (time.perf_counter() - start)
        losses.append(loss.item())
        return elapsed

    first = block(1)
    block(5)
    answer_blocks(block)
    say(
        {
            "side": "torch",
            "tokens": step.family.sides * options.batch * options.seq,
            "parameters": step.parameter_count,
            "firstStepMs": first,
            "losses": losses,
            "peakBytes": torch.cuda.max_memory_allocated() if is_cuda else None,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "device": torch.cuda.get_device_name() if is_cuda else "cpu",
        }
    )


if __name__ == "__main__":
    main()
