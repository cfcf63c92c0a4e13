"""Entity figures as seqeval counts them: tests/fixtures/entity_metrics.json.

    python tools/golden/entity_metrics.py

Random tags with all faults, degenerate inputs, default mode (`scheme` null) and strict mode.
"""

import random
import warnings

from seqeval.metrics import accuracy_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_scores
from seqeval.scheme import IOB1, IOB2, IOBES, Entities

from common import FIXTURES, versions, write_json

SCHEMES = {"IOB1": IOB1, "IOB2": IOB2, "BIOES": IOBES}
warnings.simplefilter("ignore")


def draw(rng, prefixes, types):
    tags = ["O"] + [f"{p}-{t}" for p in prefixes for t in types]
    return [[rng.choice(tags) for _ in range(rng.randint(0, 9))] for _ in range(rng.randint(1, 6))]


def changed(rng, sentences, prefixes, types):
    tags = ["O"] + [f"{p}-{t}" for p in prefixes for t in types]
    return [[rng.choice(tags) if rng.random() < 0.2 else tag for tag in sentence] for sentence in sentences]


def figures(truth, predicted, scheme):
    def scores(average):
        kwargs = {"average": average, "zero_division": 0, "warn_for": ()}
        if scheme is None:
            return precision_recall_fscore_support(truth, predicted, **kwargs)
        return strict_scores(truth, predicted, scheme=SCHEMES[scheme], **kwargs)

    def entities(sentences):
        if scheme is None:
            return [[[t, s, e + 1] for t, s, e in get_entities(sentence)] for sentence in sentences]
        found = Entities(sentences, scheme=SCHEMES[scheme]).entities
        return [[[e.tag, e.start, e.end] for e in sentence] for sentence in found]

    result = {"truth": truth, "predicted": predicted, "scheme": scheme, "entities": entities(predicted)}
    for average in ("micro", "macro", "weighted"):
        try:
            p, r, f, s = scores(average)
            result[average] = [float(p), float(r), float(f), int(s)]
        except (ZeroDivisionError, ValueError):
            result[average] = None  # seqeval itself fails: no type at all
    words = sum(map(len, truth))
    result["accuracy"] = float(accuracy_score(truth, predicted)) if words > 0 else None
    return result


def main():
    rng = random.Random(7)
    cases = []
    for scheme in (None, "IOB1", "IOB2", "BIOES"):
        prefixes = "BIES" if scheme in (None, "BIOES") else "BI"
        for _ in range(25):
            types = ["PER", "LOC", "a-b"][: rng.randint(1, 3)]
            truth = draw(rng, prefixes, types)
            cases.append(figures(truth, changed(rng, truth, prefixes, types), scheme))
        cases.append(figures([["O", "O"]], [["O", "O"]], scheme))
        cases.append(figures([["O", "O"]], [["B-x", "I-x"]], scheme))
        cases.append(figures([["B-x", "I-x"]], [["O", "O"]], scheme))
        cases.append(figures([["B-x"], []], [["B-x"], []], scheme))
    write_json(FIXTURES / "entity_metrics.json", {"versions": versions("seqeval"), "cases": cases})


if __name__ == "__main__":
    main()
