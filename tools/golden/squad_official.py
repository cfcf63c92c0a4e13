"""Answers scored by other people's code: SQuAD 1.1 by torchmetrics, SQuAD 2.0 by transformers 4, whose `squad_metrics.py` has
the official script's functions (transformers 5 has not).

    pip install --no-deps --target .golden/official "torchmetrics==1.9.0" "lightning-utilities==0.15.3"
    pip download --no-deps --dest .golden/official "transformers==4.57.1"
    python tools/golden/squad_official.py .golden/official

Writes tests/fixtures/squad_official.json. Texts are drawn from a seeded generator, with degenerate ones among them: empty,
nothing but articles and signs, words of other scripts. torchmetrics counts in float32, and takes
two texts without any word for a hit in F1, which the script of SQuAD 1.1 does not: there are none of them there.
"""

import random
import sys
import types
import zipfile
from pathlib import Path

from common import FIXTURES, versions, write_json

SEED = 41
WORDS = (
    "the a an The AN cat Denver Broncos 1,000 $5 3.14 U.S. don't theme anthem can't cannot É été an' (the) “the” a-b _the_ "
    "ﬁ İstanbul ΣΑΣ 北京 the\u0301 a1 ... -- % 'tis \"quoted\" it's"
).split(" ")
DEGENERATE = ["", " ", "the", "a an the", "!?", "the!", "an' an", "\u3000"]


def official_functions(folder):
    """The module squad_metrics of transformers 4, alone: what it imports beside the standard library is not used here."""
    wheel = next(Path(folder).glob("transformers-4*.whl"))
    source = zipfile.ZipFile(wheel).read("transformers/data/metrics/squad_metrics.py").decode()
    for name in ("t4", "t4.data", "t4.data.metrics", "t4.models", "t4.models.bert", "t4.utils"):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = []
    sys.modules["t4.models.bert"].BasicTokenizer = None
    quiet = types.SimpleNamespace(get_logger=lambda *_: types.SimpleNamespace(info=print, warning=print))
    sys.modules["t4.utils"].logging = quiet
    module = types.ModuleType("t4.data.metrics.squad_metrics")
    module.__package__ = "t4.data.metrics"
    exec(compile(source, "squad_metrics.py", "exec"), module.__dict__)
    return module, wheel.name


def draw(generator, count, impossible, missing, accepts=lambda text: True):
    rows = []
    for _ in range(count):
        words = [generator.choice(WORDS) for _ in range(generator.randint(1, 7))]
        near = lambda: " ".join(word for word in words if generator.random() < 0.8)
        text = lambda: generator.choice(DEGENERATE) if generator.random() < 0.15 else near()
        answers = [] if generator.random() < impossible else [text() for _ in range(generator.randint(1, 3))]
        given = None if generator.random() < missing else text()
        if not all(accepts(one) for one in answers + ([] if given is None else [given])):
            continue
        rows.append({"answers": answers, "text": given, "noAnswer": generator.choice([0.0, 0.5, 0.5, generator.random(), 1.0])})
    return rows


def squad_one(rows):
    from torchmetrics.functional.text import squad

    preds = [{"id": str(i), "prediction_text": row["text"]} for i, row in enumerate(rows) if row["text"] is not None]
    target = [
        {"id": str(i), "answers": {"text": row["answers"], "answer_start": [0] * len(row["answers"])}}
        for i, row in enumerate(rows)
    ]
    found = squad(preds, target)
    return {"exact": found["exact_match"].item(), "f1": found["f1"].item()}


def squad_two(official, rows, threshold):
    examples = [
        types.SimpleNamespace(qas_id=str(i), answers=[{"text": text} for text in row["answers"]])
        for i, row in enumerate(rows)
    ]
    preds = {str(i): row["text"] for i, row in enumerate(rows)}
    none = {str(i): row["noAnswer"] for i, row in enumerate(rows)}
    return {"threshold": threshold, **official.squad_evaluate(examples, preds, none, threshold)}


def main():
    folder = sys.argv[1]
    sys.path.insert(0, folder)
    official, wheel = official_functions(folder)
    generator = random.Random(SEED)
    has_words = lambda text: official.normalize_answer(text) != ""
    one = {f"drawn{i}": draw(generator, 80, 0.0, 0.1, has_words) for i in range(4)}
    two = {f"drawn{i}": draw(generator, 60, 0.4, 0.0) for i in range(4)}
    two["degenerate"] = [{"answers": [a], "text": b, "noAnswer": 0.5} for a in DEGENERATE for b in DEGENERATE]
    two["noneAnswerable"] = draw(generator, 12, 1.0, 0.0)
    two["allAnswerable"] = draw(generator, 12, 0.0, 0.0)
    write_json(
        FIXTURES / "squad_official.json",
        {
            "versions": {**versions("torch"), "squadOne": "torchmetrics 1.9.0", "squadTwo": wheel},
            "squadOne": {name: {"rows": rows, "figures": squad_one(rows)} for name, rows in one.items()},
            "squadTwo": {
                name: {"rows": rows, "figures": [squad_two(official, rows, t) for t in (1.0, 0.5)]}
                for name, rows in two.items()
            },
        },
    )


main()
