"""Answers scored as the official scripts of SQuAD 1.1, SQuAD 2.0 and CMRC 2018 score them.

    python tools/golden/question_answering.py

Writes tests/fixtures/question_answering.json. The measures are written down here from their published definitions, in the
language of the official scripts, so that regular expressions, lower case and sorting mean what they mean there; words of
Latin script come from NLTK. Texts are drawn from a seeded generator; none is of a data set.
"""

import random
import re
import string
from collections import Counter

from nltk.tokenize import word_tokenize

from common import FIXTURES, versions, write_json

SEED = 23
WORDS = (
    "the a an The AN cat Denver Broncos 1,000 $5 3.14 U.S. don't theme anthem can't cannot É été an' (the) “the” a-b _the_ "
    "ﬁ İstanbul ΣΑΣ x\u0085y \u3000 \u00a0 the\u0301 a1 ... -- % 'tis gonna wanna \"quoted\" it's"
).split(" ")
CHINESE = list("我们在河边，看见一只红色的猫。跑得很快！“真的？”：；《书》、·…（好）-_~ ABC abc 3.14% 2026年 don't 𠀀㐀龥")
SIGNS = set("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")


def normalized(text):
    text = "".join(c for c in text.lower() if c not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def overlap_f1(shared, given, wanted):
    if shared == 0:
        return 0.0
    precision, recall = shared / given, shared / wanted
    return 2 * precision * recall / (precision + recall)


def word_f1(answer, reference, none_is_an_answer):
    given, wanted = normalized(answer).split(), normalized(reference).split()
    if none_is_an_answer and not (given and wanted):
        return float(given == wanted)
    return overlap_f1(sum((Counter(given) & Counter(wanted)).values()), len(given), len(wanted))


def squad_one(rows):
    exact = sum(max((normalized(row["text"]) == normalized(a) for a in row["answers"])) for row in rows if row["text"] is not None)
    f1 = sum(max(word_f1(row["text"], a, False) for a in row["answers"]) for row in rows if row["text"] is not None)
    return {"exact": 100 * exact / len(rows), "f1": 100 * f1 / len(rows)}


def squad_two(rows, threshold):
    raw = []
    for row in rows:
        wanted = [a for a in row["answers"] if normalized(a)] or [""]
        raw.append((
            max(float(normalized(row["text"]) == normalized(a)) for a in wanted),
            max(word_f1(row["text"], a, True) for a in wanted),
        ))
    has = [bool(row["answers"]) for row in rows]
    none = [row["noAnswer"] for row in rows]
    decided = [(float(not h),) * 2 if n > threshold else score for score, h, n in zip(raw, has, none)]

    def means(kind):
        own = [score for score, h in zip(decided, has) if kind in (None, h)]
        if not own:
            return None
        return {"exact": 100 * sum(s[0] for s in own) / len(own), "f1": 100 * sum(s[1] for s in own) / len(own), "total": len(own)}

    best = {}
    for at, name in enumerate(("exact", "f1")):
        score = most = sum(not h for h in has)
        found = 0.0
        for i in sorted(range(len(rows)), key=lambda i: none[i]):
            score += raw[i][at] if has[i] else -1 if rows[i]["text"] else 0
            if score > most:
                most, found = score, none[i]
        best[name], best[name + "Threshold"] = 100 * most / len(rows), found
    return {"threshold": threshold, "all": means(None), "hasAnswer": means(True), "noAnswer": means(False), "best": best}


def segments(text):
    found, latin = [], ""
    for c in text.lower().strip() + "\u4e00":
        if c in SIGNS:
            continue
        if "\u4e00" <= c <= "\u9fa5":
            if latin:
                found += word_tokenize(latin, preserve_line=True)
            latin = ""
            found.append(c)
        else:
            latin += c
    return found[:-1]


def common_run(first, second):
    longest = 0
    for i in range(len(first)):
        for j in range(len(second)):
            n = 0
            while i + n < len(first) and j + n < len(second) and first[i + n] == second[j + n]:
                n += 1
            longest = max(longest, n)
    return longest


def chinese(rows):
    exact = f1 = 0
    bare = lambda text: "".join(c for c in text.lower().strip() if c not in SIGNS)
    for row in rows:
        if row["text"] is None:
            continue
        exact += max(bare(row["text"]) == bare(a) for a in row["answers"])
        f1 += max(overlap_f1(common_run(segments(row["text"]), segments(a)), len(segments(row["text"])), len(segments(a)))
                  for a in row["answers"])
    return {"exact": 100 * exact / len(rows), "f1": 100 * f1 / len(rows)}


def draw(generator, units, glue, count, impossible=0.0, missing=0.0):
    rows = []
    for _ in range(count):
        text = glue.join(generator.choice(units) for _ in range(generator.randint(1, 7)))
        near = lambda: glue.join(w for w in (text.split(glue) if glue else text) if generator.random() < 0.8)
        answers = [] if generator.random() < impossible else [near() for _ in range(generator.randint(1, 3))]
        given = None if generator.random() < missing else generator.choice([text, near(), near(), ""])
        rows.append({"answers": answers, "text": given, "noAnswer": generator.choice([0.0, 0.25, 0.25, generator.random(), 1.0])})
    return rows


def main():
    generator = random.Random(SEED)
    one = {
        "english": draw(generator, WORDS, " ", 60, missing=0.1),
        "nothingGiven": [{"answers": ["x"], "text": None, "noAnswer": 0.0}],
        "onlyArticles": [{"answers": ["the"], "text": "a", "noAnswer": 0.0}, {"answers": ["", "!"], "text": "", "noAnswer": 0.0}],
    }
    two = {
        "mixed": draw(generator, WORDS, " ", 60, impossible=0.4),
        "ties": [dict(row, noAnswer=0.5) for row in draw(generator, WORDS, " ", 20, impossible=0.5)],
        "allAnswerable": draw(generator, WORDS, " ", 10),
        "noneAnswerable": draw(generator, WORDS, " ", 10, impossible=1.0),
        "onlyArticles": [{"answers": ["the"], "text": "", "noAnswer": 0.0}, {"answers": ["the"], "text": "x", "noAnswer": 2.0}],
    }
    zh = {
        "mixed": draw(generator, CHINESE, "", 80, missing=0.05),
        "signs": [{"answers": ["，。"], "text": "！", "noAnswer": 0.0}, {"answers": ["a…b"], "text": "a……b", "noAnswer": 0.0}],
    }
    lines = [" ".join(generator.choice(WORDS) for _ in range(generator.randint(0, 6))) for _ in range(60)]
    lines += ["he said: 'no', (and 'yes'). ", "a,b 1,000 x:y", "the U.S.", "'80s 'cause", "d'ye wanna", "''a'' \"b\"", "end...", "a--b—c"]
    write_json(
        FIXTURES / "question_answering.json",
        {
            "versions": versions("nltk"),
            "squadOne": {name: {"rows": rows, "figures": squad_one(rows)} for name, rows in one.items()},
            "squadTwo": {name: {"rows": rows, "figures": [squad_two(rows, t) for t in (1.0, 0.25)]} for name, rows in two.items()},
            "chinese": {name: {"rows": rows, "figures": chinese(rows)} for name, rows in zh.items()},
            "treebank": [[line, word_tokenize(line, preserve_line=True)] for line in lines],
        },
    )


main()
