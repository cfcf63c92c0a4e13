"""Values and gradients of the composites, and schedules and scalar functions, as PyTorch and transformers compute them.

    python tools/golden/primitives.py

Writes tests/fixtures/composites.json, all in float64. Each case under "composites" has inputs, attributes, outputs, a random
cotangent for each output, and the gradient of sum(output * cotangent) for each floating-point input. Tensors are nested lists;
non-finite numbers are the strings "NaN", "Infinity" and "-Infinity".
"""

import math

import torch
import torch.nn.functional as F
from transformers import (
    get_constant_schedule_with_warmup,
    get_cosine_schedule_with_warmup,
    get_linear_schedule_with_warmup,
)

from common import FIXTURES, versions, write_json

SEED = 21


def rounded(tensor):
    """Inputs keep four decimals: short in the file and exact when read back."""
    return torch.round(tensor * 1e4) / 1e4


class Cases:
    """Collects composites; draws inputs and cotangents from one seeded generator."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(SEED)
        self.found = {}

    def normal(self, *shape, scale=1.0, offset=0.0):
        noise = torch.randn(shape, generator=self.generator, dtype=torch.float64)
        return rounded(offset + scale * noise)

    def add(self, name, function, inputs, **attributes):
        leaves = {
            key: value.clone().requires_grad_(value.is_floating_point()) for key, value in inputs.items()
        }
        outputs = function(**leaves)
        outputs = outputs if isinstance(outputs, dict) else {"y": outputs}
        cotangents = {key: self.normal(*value.shape) for key, value in outputs.items()}
        sum((outputs[key] * cotangents[key]).sum() for key in outputs).backward()
        gradients = {key: leaf.grad for key, leaf in leaves.items() if leaf.is_floating_point()}
        self.found[name] = {
            "attributes": attributes,
            "inputs": inputs,
            "outputs": outputs,
            "cotangents": cotangents,
            "gradients": {key: torch.zeros_like(leaves[key]) if g is None else g for key, g in gradients.items()},
        }


def normalisation(cases):
    for eps in (1e-12, 1e-5):
        inputs = {
            "x": cases.normal(2, 3, 5, scale=2.0, offset=0.5),
            "gain": cases.normal(5, scale=0.2, offset=1.0),
            "bias": cases.normal(5),
        }
        cases.add(
            f"layerNorm.eps{eps:g}",
            lambda x, gain, bias, eps=eps: F.layer_norm(x, (5,), gain, bias, eps),
            inputs,
            eps=eps,
        )


def activations(cases):
    edge = torch.tensor([-40.0, -8.0, -3.0, -1.0, -1e-3, 0.0, 1e-3, 0.5, 3.0, 8.0, 40.0], dtype=torch.float64)
    for name, approximate in (("erf", "none"), ("tanh", "tanh")):
        cases.add(f"gelu.{name}", lambda x, a=approximate: F.gelu(x, approximate=a), {"x": cases.normal(3, 4, scale=2.0)})
        cases.add(f"gelu.{name}.edges", lambda x, a=approximate: F.gelu(x, approximate=a), {"x": edge})
    cases.add("softmax", lambda x: F.softmax(x, dim=-1), {"x": cases.normal(2, 3, 4, scale=3.0)})
    extreme = torch.tensor([[1000.0, 999.0, -1000.0], [-1e30, 0.0, -1e30], [-1e9, -1e9, -1e9]], dtype=torch.float64)
    cases.add("softmax.extreme", lambda x: F.softmax(x, dim=-1), {"x": extreme})
    cases.add("logSoftmax", lambda x: F.log_softmax(x, dim=-1), {"x": cases.normal(2, 5, scale=3.0)})
    cases.add("logSoftmax.extreme", lambda x: F.log_softmax(x, dim=-1), {"x": extreme})


def losses(cases):
    labels = torch.tensor([3, -100, 0, 5, -100, 2])
    for reduction, suffix in (("none", "perRow"), ("sum", "sum"), ("mean", "mean")):
        cases.add(
            f"crossEntropy.{suffix}",
            lambda logits, labels, r=reduction: F.cross_entropy(logits, labels, ignore_index=-100, reduction=r),
            {"logits": cases.normal(6, 7, scale=2.0), "labels": labels},
            ignoreIndex=-100,
            reduction=reduction,
        )
    cases.add(
        "crossEntropy.allIgnored.sum",
        lambda logits, labels: F.cross_entropy(logits, labels, ignore_index=-100, reduction="sum"),
        {"logits": cases.normal(2, 3), "labels": torch.tensor([-100, -100])},
        ignoreIndex=-100,
        reduction="sum",
    )
    huge = torch.tensor([[2000.0, 0.0, -2000.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    cases.add(
        "crossEntropy.extreme.perRow",
        lambda logits, labels: F.cross_entropy(logits, labels, reduction="none"),
        {"logits": huge, "labels": torch.tensor([2, 1])},
        ignoreIndex=-100,
        reduction="none",
    )


def attention(cases):
    scores = torch.zeros(2, 1, 5, 5, dtype=torch.float64)
    scores[0, :, :, 3:] = -1e9  # padding of the first row
    scores[1, :, :2, 2:] = -1e9  # two packed texts in the second row
    scores[1, :, 2:, :2] = -1e9
    causal = torch.full((1, 1, 5, 5), -1e9, dtype=torch.float64).triu(1)
    for name, mask in (("blockMask", scores), ("causal", causal)):
        inputs = {key: cases.normal(2, 3, 5, 4) for key in ("query", "key", "value")}
        cases.add(
            f"attention.{name}",
            lambda query, key, value, m=mask: F.scaled_dot_product_attention(query, key, value, attn_mask=m),
            inputs,
            scale=0.5,
            additiveMask=mask,
        )


def lookups(cases):
    ids = torch.tensor([[1, 4, 1], [0, 1, 4]])
    cases.add("embedding.repeated", lambda ids, table: F.embedding(ids, table), {"ids": ids, "table": cases.normal(6, 3)})
    rows = torch.tensor([5, 0, 5, 2])
    cases.add("gatherRows", lambda rows, x: x[rows], {"rows": rows, "x": cases.normal(7, 3)})
    cases.add(
        "linear",
        F.linear,
        {"input": cases.normal(2, 3, 4), "weight": cases.normal(5, 4), "bias": cases.normal(5)},
        weightLayout="[out, in]",
    )


def recurrent(cases):
    batch, size_in, hidden = 2, 3, 4

    def weights(gates):
        return {
            "x": cases.normal(batch, size_in),
            "h": cases.normal(batch, hidden),
            "weightIh": cases.normal(gates * hidden, size_in, scale=0.5),
            "weightHh": cases.normal(gates * hidden, hidden, scale=0.5),
            "biasIh": cases.normal(gates * hidden, scale=0.5),
            "biasHh": cases.normal(gates * hidden, scale=0.5),
        }

    def lstm(x, h, c, weightIh, weightHh, biasIh, biasHh):
        hidden_state, cell_state = torch.lstm_cell(x, (h, c), weightIh, weightHh, biasIh, biasHh)
        return {"h": hidden_state, "c": cell_state}

    cases.add("lstmCell", lstm, {**weights(4), "c": cases.normal(batch, hidden)}, gates="i,f,g,o")
    cases.add(
        "gruCell",
        lambda x, h, weightIh, weightHh, biasIh, biasHh: torch.gru_cell(x, h, weightIh, weightHh, biasIh, biasHh),
        weights(3),
        gates="r,z,n",
    )


def clipping(cases):
    def clip(gradients, maximum):
        parameters = [torch.zeros_like(g).requires_grad_() for g in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters, maximum)
        return {"maxNorm": maximum, "gradients": gradients, "norm": norm, "clipped": [p.grad for p in parameters]}

    gradients = [cases.normal(2, 3, scale=2.0), cases.normal(4), cases.normal(1)]
    return {
        "note": "torch divides by (norm + 1e-6)",
        "above": clip(gradients, 1.0),
        "below": clip([g / 100 for g in gradients], 1.0),
        "zero": clip([torch.zeros(2, dtype=torch.float64)], 1.0),
    }


def scalars():
    functions = {
        "erf": (torch.erf, [-6, -3, -1, -0.5, -1e-8, 0, 1e-8, 0.3, 0.5, 1, 2, 3, 5.5, 6, 30]),
        "tanh": (torch.tanh, [-400, -20, -3, -0.5, -1e-9, 0, 1e-9, 0.1, 1, 9, 20, 400]),
        "log1p": (torch.log1p, [-0.999999, -0.5, -1e-12, 0, 1e-12, 1e-5, 1, 1e10, 1e300]),
        "expm1": (torch.expm1, [-750, -1, -1e-12, 0, 1e-12, 1e-5, 1, 20, 709]),
        "exp": (torch.exp, [-750, -20, -1, 0, 1, 20, 709, 710]),
        "log": (torch.log, [0, 1e-300, 0.5, 1, 2, 1e300, -1]),
        "sigmoid": (torch.sigmoid, [-800, -40, -1, 0, 1, 40, 800]),
        "softplus": (lambda x: torch.logaddexp(x, torch.zeros_like(x)), [-800, -40, -1, 0, 1, 19, 21, 800]),
        "rsqrt": (torch.rsqrt, [0, 1e-300, 0.25, 2, 1e300]),
        "sqrt": (torch.sqrt, [0, 1e-300, 2, -1]),
        "sin": (torch.sin, [-100, -1, 0, 1e-8, 1, 3.141592653589793, 100]),
        "cos": (torch.cos, [-100, -1, 0, 1, 1.5707963267948966, 100]),
        "sign": (torch.sign, [-2, -0.0, 0, 3]),
        "floor": (torch.floor, [-1.5, -1, -0.5, 0.5, 1.999]),
        "round": (torch.round, [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4]),
    }
    return {
        name: {"x": points, "y": function(torch.tensor(points, dtype=torch.float64))}
        for name, (function, points) in functions.items()
    }


def schedules():
    """Multiplier of the peak rate that update number `step` (from 0) is made with."""

    def multipliers(make, steps, **arguments):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = make(optimizer, **arguments)
        found = []
        for _ in range(steps):
            found.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return {"arguments": arguments, "multipliers": found}

    both = {"num_warmup_steps": 4, "num_training_steps": 15}
    none = {"num_warmup_steps": 0, "num_training_steps": 6}
    return {
        "linear": multipliers(get_linear_schedule_with_warmup, 18, **both),
        "linear.noWarmup": multipliers(get_linear_schedule_with_warmup, 8, **none),
        "cosine": multipliers(get_cosine_schedule_with_warmup, 18, **both),
        "cosine.noWarmup": multipliers(get_cosine_schedule_with_warmup, 8, **none),
        "constant": multipliers(get_constant_schedule_with_warmup, 8, num_warmup_steps=4),
    }


def main():
    torch.set_num_threads(1)
    cases = Cases()
    for group in (normalisation, activations, losses, attention, lookups, recurrent):
        group(cases)
    assert math.isclose(cases.found["attention.causal"]["attributes"]["scale"], 4**-0.5)
    write_json(
        FIXTURES / "composites.json",
        {
            "generator": "tools/golden/primitives.py",
            "versions": versions("torch", "transformers"),
            "seed": SEED,
            "computedIn": "float64",
            "composites": cases.found,
            "clipGradNorm": clipping(cases),
            "scalars": scalars(),
            "schedules": schedules(),
        },
    )


if __name__ == "__main__":
    main()
