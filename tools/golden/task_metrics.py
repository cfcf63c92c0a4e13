"""Figures of scores, raters, probabilities, searches and pairs of systems, as scikit-learn, scipy and trec_eval have them.

    python tools/golden/task_metrics.py

Writes tests/fixtures/task_metrics.json.
"""

import warnings

import numpy
import pytrec_eval
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from common import FIXTURES, versions, write_json

SEED = 23


def threshold(labels, scores):
    return {
        "labels": labels,
        "scores": scores,
        "rocAuc": metrics.roc_auc_score(labels, scores),
        "averagePrecision": metrics.average_precision_score(labels, scores),
    }


def kappa(first, second, classes):
    names = list(range(classes))
    own = {
        name: metrics.cohen_kappa_score(first, second, labels=names, weights=weights)
        for name, weights in {"none": None, "linear": "linear", "quadratic": "quadratic"}.items()
    }
    return {"first": first, "second": second, "classes": classes, **own}


def calibrated(labels, probabilities, bins):
    labels, probabilities = numpy.asarray(labels), numpy.asarray(probabilities)
    predicted, confidence = probabilities.argmax(1), probabilities.max(1)
    hits = (predicted == labels).astype(int)
    right, said = calibration_curve(hits, confidence, n_bins=bins)
    edges = numpy.linspace(0, 1, bins + 1)
    counts = numpy.bincount(numpy.searchsorted(edges[1:-1], confidence), minlength=bins)
    filled = counts[counts > 0]
    gaps = numpy.abs(right - said)
    classes = list(range(probabilities.shape[1]))
    given = probabilities[:, 1] if len(classes) == 2 else probabilities
    return {
        "labels": labels,
        "probabilities": probabilities,
        "numBins": bins,
        "brier": metrics.brier_score_loss(labels, given, labels=classes),
        "error": (filled * gaps).sum() / len(labels),
        "largestError": gaps.max(),
        "counts": counts,
    }


def searched(ranked, missing=()):
    """trec_eval's figures of one query; scores fall with the rank, so that nothing is tied."""
    relevance = {f"d{i}": int(grade) for i, grade in enumerate(ranked)}
    judged = {**relevance, **{f"m{i}": int(grade) for i, grade in enumerate(missing)}}
    names = {"recip_rank", "map", "ndcg", "recall.1,3,5", "P.1,3,5", "ndcg_cut.1,3,5"}
    run = {document: float(len(ranked) - i) for i, document in enumerate(relevance)}
    found = pytrec_eval.RelevanceEvaluator({"q": judged}, names).evaluate({"q": run})["q"]
    return {
        "ranked": ranked,
        "judged": list(judged.values()),
        "reciprocalRank": found["recip_rank"],
        "averagePrecision": found["map"],
        "ndcg": found["ndcg"],
        "at": {
            str(k): {"recall": found[f"recall_{k}"], "precision": found[f"P_{k}"], "ndcg": found[f"ndcg_cut_{k}"]}
            for k in (1, 3, 5)
        },
    }


def graded(relevance, scores):
    depths = {str(k): metrics.ndcg_score([relevance], [scores], k=k) for k in (1, 3, 5)}
    return {"relevance": relevance, "scores": scores, "whole": metrics.ndcg_score([relevance], [scores]), "at": depths}


def compared(first, second):
    """Exact p-value over all exchanges; the interval is itself drawn, so tests allow for that."""
    first, second = numpy.asarray(first, float), numpy.asarray(second, float)

    def difference(a, b, axis=-1):
        return numpy.mean(b, axis=axis) - numpy.mean(a, axis=axis)

    exact = stats.permutation_test((first, second), difference, permutation_type="samples", n_resamples=numpy.inf)
    interval = stats.bootstrap(
        (first, second), difference, paired=True, method="percentile", n_resamples=200_000, rng=SEED, batch=10_000
    ).confidence_interval
    return {
        "first": first,
        "second": second,
        "difference": difference(first, second),
        "pValue": exact.pvalue,
        "interval": [interval.low, interval.high],
    }


def main():
    warnings.simplefilter("ignore")
    generator = numpy.random.default_rng(SEED)

    def rounded(values, digits=3):
        return numpy.round(values, digits)

    labels = generator.integers(0, 2, 40)
    shares = generator.dirichlet([1, 1, 1], 30)
    two = generator.dirichlet([1, 1], 30)
    hits, better = (generator.random(15) < 0.4).astype(int), (generator.random(15) < 0.75).astype(int)
    document = {
        "generator": "tools/golden/task_metrics.py",
        "versions": versions("scikit-learn", "scipy", "numpy", "pytrec_eval-terrier"),
        "seed": SEED,
        "threshold": {
            "random": threshold(labels, rounded(labels + generator.normal(size=40))),
            "ties": threshold(labels, generator.integers(0, 4, 40) + labels),
            "constant": threshold([0, 1, 1, 0, 1], [0.5] * 5),
            "perfect": threshold([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]),
            "inverted": threshold([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]),
            "positiveOnly": threshold([1, 1, 1], [0.1, 0.5, 0.3]),
            "negativeOnly": threshold([0, 0, 0], [0.1, 0.5, 0.3]),
        },
        "kappa": {
            "random": kappa(generator.integers(0, 4, 50), generator.integers(0, 4, 50), 4),
            "agreeing": kappa(labels, numpy.where(generator.random(40) < 0.8, labels, 1 - labels), 2),
            "perfect": kappa([0, 1, 2], [0, 1, 2], 3),
            "inverted": kappa([0, 1, 0, 1], [1, 0, 1, 0], 2),
            "absentClass": kappa([0, 2, 2, 0, 0], [0, 2, 0, 2, 0], 3),
            "oneRaterConstant": kappa([0, 1, 1, 0], [0, 0, 0, 0], 2),
            "oneClassOnly": kappa([1, 1, 1], [1, 1, 1], 2),
        },
        "calibration": {
            "binary": calibrated(generator.integers(0, 2, 30), rounded(two, 6), 15),
            "threeClasses": calibrated(generator.integers(0, 3, 30), rounded(shares, 6), 10),
            "edges": calibrated([0, 1, 0, 1], [[0.5, 0.5], [0.25, 0.75], [1.0, 0.0], [1.0, 0.0]], 4),
            "oneClassOnly": calibrated([1, 1], [[0.2, 0.8], [0.1, 0.9]], 15),
        },
        "ranking": {
            "binary": searched([0, 1, 0, 0, 1, 1]),
            "graded": searched([1, 0, 3, 2, 0, 1], missing=[3, 0, 2]),
            "short": searched([0, 1], missing=[1]),
            "none": searched([0, 0, 0, 0]),
            "notFound": searched([0, 0], missing=[1, 1]),
            "first": searched([1]),
            **{f"random{i}": searched(generator.integers(0, 4, 12), generator.integers(0, 4, 4)) for i in range(3)},
        },
        "ndcgOfScores": {
            "random": graded(generator.integers(0, 4, 12), rounded(generator.normal(size=12))),
            "ties": graded(generator.integers(0, 4, 12), generator.integers(0, 3, 12)),
            "constant": graded([0, 3, 1, 2], [1.0, 1.0, 1.0, 1.0]),
            "nothingRelevant": graded([0, 0, 0], [0.3, 0.2, 0.1]),
        },
        "comparison": {
            "hits": compared(hits, better),
            "scores": compared(rounded(generator.normal(size=12)), rounded(generator.normal(size=12) + 0.7)),
            "same": compared([1, 0, 1, 1], [1, 0, 1, 1]),
            "oneRow": compared([0.25, 0.5], [0.5, 0.5]),
        },
    }
    write_json(FIXTURES / "task_metrics.json", document)


if __name__ == "__main__":
    main()
