"""Classification and correlation metrics as scikit-learn and SciPy compute them, degenerate inputs included.

    python tools/golden/metrics.py

Writes tests/fixtures/metrics.json. Undefined quotients are 0, as scikit-learn has them with zero_division=0; an undefined
correlation is the string "NaN". Confusion matrices are [true][predicted] over the listed labels.
"""

import warnings

import numpy
from scipy import stats
from sklearn import metrics

from common import FIXTURES, versions, write_json

SEED = 31


def classification(labels, predictions, classes):
    """All figures for integer classes 0 … classes-1, whether or not each occurs."""
    names = list(range(classes))
    found = {
        "classes": classes,
        "labels": labels,
        "predictions": predictions,
        "confusion": metrics.confusion_matrix(labels, predictions, labels=names),
        "accuracy": metrics.accuracy_score(labels, predictions),
        "matthews": metrics.matthews_corrcoef(labels, predictions),
    }
    for average in ("macro", "micro", "weighted") + (("binary",) if classes == 2 else ()):
        found[average] = quotients(labels, predictions, names, average)
    found["perClass"] = quotients(labels, predictions, names, None)
    return found


def quotients(labels, predictions, names, average):
    extra = {"pos_label": 1} if average == "binary" else {"labels": names}
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, predictions, average=average, zero_division=0, **extra
    )
    return {"precision": precision, "recall": recall, "f1": f1}


def correlation(x, y):
    return {"x": x, "y": y, "pearson": stats.pearsonr(x, y)[0], "spearman": stats.spearmanr(x, y)[0]}


def surprise(labels, probabilities):
    classes = len(probabilities[0])
    return {
        "labels": labels,
        "probabilities": probabilities,
        "logLoss": metrics.log_loss(labels, probabilities, labels=list(range(classes))),
    }


def main():
    warnings.simplefilter("ignore")
    generator = numpy.random.default_rng(SEED)

    def drawn(classes, count, hit):
        labels = generator.integers(0, classes, count)
        return labels, numpy.where(generator.random(count) < hit, labels, generator.integers(0, classes, count))

    def rounded(values):
        return numpy.round(values, 3)

    x = rounded(generator.normal(size=25))
    skewed = (generator.random(40) < 0.1).astype(int)
    first, second = generator.integers(0, 4, 30), generator.integers(0, 4, 30)
    document = {
        "generator": "tools/golden/metrics.py",
        "versions": versions("scikit-learn", "scipy", "numpy"),
        "seed": SEED,
        "zeroDivision": 0,
        "classification": {
            "binary": classification(*drawn(2, 40, 0.5), 2),
            "threeClasses": classification(*drawn(3, 50, 0.4), 3),
            "binary.rarePositive": classification(skewed, drawn(2, 40, 0)[1], 2),
            "binary.perfect": classification([0, 1, 1, 0], [0, 1, 1, 0], 2),
            "binary.inverted": classification([0, 1, 1, 0], [1, 0, 0, 1], 2),
            "binary.neverPredicted": classification([0, 1, 1, 0], [0, 0, 0, 0], 2),
            "binary.neverTrue": classification([0, 0, 0], [0, 1, 1], 2),
            "binary.oneClassOnly": classification([0, 0, 0], [0, 0, 0], 2),
            "binary.positiveOnly": classification([1, 1], [1, 1], 2),
            "threeClasses.absentClass": classification([0, 2, 2, 0, 0], [0, 2, 0, 2, 0], 3),
            "threeClasses.predictedOnly": classification([0, 2, 2, 0], [0, 1, 1, 0], 3),
            "single": classification([1], [1], 2),
        },
        "correlation": {
            "random": correlation(x, rounded(0.5 * x + generator.normal(size=25))),
            "ties": correlation(first, first + second),
            "monotone": correlation(x, rounded(numpy.exp(x))),
            "negative": correlation(x, -2 * x),
            "largeOffset": correlation(x + 1e6, rounded(x + generator.normal(size=25)) + 1e6),
            "constant": correlation([1.0, 2.0, 3.0], [5.0, 5.0, 5.0]),
            "bothConstant": correlation([2.0, 2.0], [5.0, 5.0]),
            "twoPoints": correlation([1.0, 2.0], [4.0, 3.0]),
        },
        "ranks": {"values": first, "average": stats.rankdata(first, method="average")},
        "logLoss": {
            "binary": surprise([0, 1, 1], [[0.9, 0.1], [0.35, 0.65], [0.5, 0.5]]),
            "threeClasses": surprise([0, 2, 1, 2], [[0.2, 0.3, 0.5], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25], [0.6, 0.3, 0.1]]),
            "oneClassOnly": surprise([0, 0], [[0.9, 0.1], [0.8, 0.2]]),
            "certainAndWrong": surprise([0, 1], [[1.0, 0.0], [1.0, 0.0]]),
            "notNormalized": surprise([0, 1], [[0.2, 0.3], [0.1, 0.3]]),
        },
        "entropy": {
            name: {"counts": counts, "nats": stats.entropy(counts)}
            for name, counts in {
                "uniform": [3, 3, 3, 3],
                "zipf": [1000, 500, 333, 250, 200, 167, 0, 0],
                "oneToken": [0, 7, 0],
                "nothing": [0, 0],
            }.items()
        },
        "spread": {
            name: {"values": values, "mean": numpy.mean(values), "deviation": numpy.std(values, ddof=1)}
            for name, values in {
                "threeRuns": [0.812, 0.8075, 0.8203],
                "largeOffset": [1e9 + 1, 1e9 + 2, 1e9 + 4],
                "same": [0.5, 0.5],
                "one": [0.25],
            }.items()
        },
        "empty": emptiness(),
    }
    write_json(FIXTURES / "metrics.json", document)


def emptiness():
    """What the libraries do with no rows at all: a number, "NaN", or the name of the error."""

    def outcome(function):
        try:
            return function([], [])
        except Exception as error:  # noqa: BLE001 - the kind of error is the result
            return type(error).__name__

    return {
        "accuracy": outcome(metrics.accuracy_score),
        "matthews": outcome(metrics.matthews_corrcoef),
        "f1Macro": outcome(lambda a, b: metrics.f1_score(a, b, average="macro", zero_division=0)),
        "pearson": outcome(lambda a, b: stats.pearsonr(a, b)[0]),
        "spearman": outcome(lambda a, b: stats.spearmanr(a, b)[0]),
    }


if __name__ == "__main__":
    main()
