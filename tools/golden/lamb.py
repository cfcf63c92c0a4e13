"""LAMB as optax computes it, in float64: several steps with changing rates and gradients.

    python tools/golden/lamb.py

Writes tests/fixtures/lamb.json. Parameters that are excluded from decay and layer adaptation move as optax.adam moves them.
"""

import jax
import numpy
import optax

from common import FIXTURES, versions, write_json

SEED = 5
BETA1, BETA2, EPSILON, DECAY = 0.9, 0.98, 1e-6, 0.1
RATES = [0.01, 0.02, 0.005, 0.03]


def main():
    jax.config.update("jax_enable_x64", True)
    generator = numpy.random.default_rng(SEED)
    shapes = {"matrix": (4, 3), "large": (5, 7), "zero": (6,), "still": (3,), "bias": (4,), "gain": (5,)}
    excluded = {"bias", "gain"}
    scales = {"large": 50.0, "zero": 0.0, "gain": 3.0}
    values = {name: generator.normal(size=shape) * scales.get(name, 0.3) for name, shape in shapes.items()}
    gradients = [{name: generator.normal(size=shape) for name, shape in shapes.items()} for _ in RATES]
    for row in gradients:
        # Neither gradient nor decay: the direction has norm 0.
        row["still"] *= 0
    values["still"] *= 0
    start = {name: value.copy() for name, value in values.items()}

    steps = []
    rules = {
        name: (lambda rate: optax.adam(rate, b1=BETA1, b2=BETA2, eps=EPSILON)) if name in excluded
        else (lambda rate: optax.lamb(rate, b1=BETA1, b2=BETA2, eps=EPSILON, weight_decay=DECAY))
        for name in shapes
    }
    states = {name: rules[name](0.0).init(jax.numpy.asarray(values[name])) for name in shapes}
    for rate, row in zip(RATES, gradients):
        for name in shapes:
            value = jax.numpy.asarray(values[name])
            update, states[name] = rules[name](rate).update(jax.numpy.asarray(row[name]), states[name], value)
            values[name] = numpy.asarray(optax.apply_updates(value, update))
        steps.append({"learningRate": rate, "gradients": {n: row[n].ravel() for n in shapes},
                      "values": {n: values[n].ravel() for n in shapes}})
    write_json(FIXTURES / "lamb.json", {
        "generator": "tools/golden/lamb.py",
        "versions": versions("optax", "jax", "numpy"),
        "seed": SEED,
        "settings": {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON, "weightDecay": DECAY},
        "parameters": {n: {"shape": list(shapes[n]), "decays": n not in excluded, "value": start[n].ravel()} for n in shapes},
        "steps": steps,
    })


if __name__ == "__main__":
    main()
