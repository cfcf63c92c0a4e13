"""BLEU and chrF as sacrebleu counts them, ROUGE and Porter stems as rouge-score and NLTK have them.

    python tools/golden/generation_metrics.py

Writes tests/fixtures/generation_metrics.json. Texts are drawn from a seeded generator and written here; none is of a corpus.
"""

import random

from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from sacrebleu.metrics import BLEU, CHRF

from common import FIXTURES, versions, write_json

SEED = 17
WORDS = (
    "the a small large red old dog cat house river runs running ran jumps jumped over under near quickly happily "
    "nations national relational conditional organization generously Paris Dr. U.S. 3.14 1,000 2-3 it's don't e-mail "
    "well-known (maybe) \"quoted\" yes, no; wait... what? ok! &amp; 50% $5 a/b x=y [1] café naïve Ünïcode — – “so” ’til"
).split()
CHINESE = list("我们在河边看见一只红色的猫，它跑得很快。今天天气好！“真的？”他说：3.14和1,000元ABC abc（好）２０２６年𠀀㐀")
TOKENIZERS = ("13a", "intl", "zh", "char", "none")


def sentence(generator, words, longest, glue=" "):
    return glue.join(generator.choice(words) for _ in range(generator.randint(1, longest)))


def disturbed(generator, text, words, glue=" "):
    """The text with some words dropped, changed, doubled or moved."""
    found = []
    for word in text.split(glue) if glue else list(text):
        kind = generator.random()
        if kind < 0.7:
            found.append(word)
        elif kind < 0.8:
            found.append(generator.choice(words))
        elif kind < 0.9:
            found += [word, word]
    if generator.random() < 0.3:
        found.reverse()
    return glue.join(found)


def corpora():
    generator = random.Random(SEED)

    def drawn(count, references, words, longest, glue=" "):
        rows = []
        for _ in range(count):
            text = sentence(generator, words, longest, glue)
            rows.append((disturbed(generator, text, words, glue), [text] + [
                disturbed(generator, text, words, glue) or text for _ in range(references - 1)
            ]))
        return [row[0] for row in rows], [row[1] for row in rows]

    return {
        "english": drawn(12, 1, WORDS, 24),
        "threeReferences": drawn(8, 3, WORDS, 18),
        "variableReferences": (["the cat sat", "a dog ran home"], [["the cat sat down"], ["a dog ran", "the dog ran home"]]),
        "chinese": drawn(8, 1, CHINESE, 30, ""),
        "chineseTwoReferences": drawn(5, 2, CHINESE, 20, ""),
        "short": (["yes", "no way", ""], [["yes"], ["no"], ["maybe so"]]),
        "identical": (["The quick brown fox jumps over the lazy dog."], [["The quick brown fox jumps over the lazy dog."]]),
        "noOverlap": (["alpha beta gamma delta"], [["one two three four five"]]),
        "oneWord": (["hello"], [["hello"]]),
        "oneWrongWord": (["hello"], [["goodbye"]]),
        "emptyHypothesis": ([""], [["some words here"]]),
        "noBigram": (["a b c d"], [["d c b a"]]),
        "spaces": (["  two\u00a0words\u2009here \u0085 now\x1cthen\ufeffx \n"], [["two words here now then x"]]),
        "emptyReference": (["some words", "here"], [["", "some"], [""]]),
        "entities": (["&lt;a&gt; &quot;b&quot; &amp;lt; <skipped>c-\nd e\nf"], [["<a> \"b\" < cd e f"]]),
        "marks": (["It's 3.5, or 3,5. 2-1=1; x.y, .5 5. A.B.C.", "“No”—said he… §5 €3 1\u20442"], [["It's 3.5 or 3,5 ! 2 - 1 = 1 x.y .5 5 . A.B.C."], ["\"No\" - said he... §5 €3 1/2"]]),
    }


def bleu(hypotheses, references, **options):
    streams = [list(stream) for stream in zip(*padded(references))]
    metric = BLEU(**options)
    score = metric.corpus_score(hypotheses, streams)
    return {
        "options": options,
        "score": score.score,
        "counts": score.counts,
        "totals": score.totals,
        "precisions": score.precisions,
        "brevityPenalty": score.bp,
        "lengths": [score.sys_len, score.ref_len],
        "signature": str(metric.get_signature()),
    }


def padded(references):
    most = max(map(len, references))
    return [row + [None] * (most - len(row)) for row in references]


def chrf(hypotheses, references, **options):
    metric = CHRF(**options)
    score = metric.corpus_score(hypotheses, [list(stream) for stream in zip(*padded(references))])
    return {"options": options, "score": score.score, "signature": str(metric.get_signature())}


def corpus(hypotheses, references):
    smoothings = ({"smooth_method": "exp"}, {"smooth_method": "floor"}, {"smooth_method": "floor", "smooth_value": 0.5},
                  {"smooth_method": "add-k"}, {"smooth_method": "add-k", "smooth_value": 0.25}, {"smooth_method": "none"})
    return {
        "hypotheses": hypotheses,
        "references": references,
        "bleu": [bleu(hypotheses, references, tokenize=name) for name in TOKENIZERS]
        + [bleu(hypotheses, references, **options) for options in smoothings]
        + [bleu(hypotheses, references, **options, effective_order=True) for options in smoothings]
        + [bleu(hypotheses, references, lowercase=True, max_ngram_order=2)],
        "chrf": [chrf(hypotheses, references), chrf(hypotheses, references, word_order=2),
                 chrf(hypotheses, references, char_order=3, beta=1, lowercase=True)],
    }


def rouge_rows():
    generator = random.Random(SEED + 1)
    rows = [
        ("", ""), ("", "a b"), ("a b", ""), ("one", "one"), ("one", "two"), ("running quickly", "run quick"),
        ("The cat.\nThe dog!", "The dog.\nA cat\n\n"), ("...", "!!!"), ("caf\u00e9 na\u00efve", "cafe naive"),
        ("a a a b", "a b b"), ("the the the\nthe", "the\nthe the cat"), ("İstanbul ÉTÉ K", "istanbul ete k"),
        ("one two three four", "one two three four"),
    ]
    for _ in range(14):
        lines = [sentence(generator, WORDS, 12) for _ in range(generator.randint(1, 4))]
        rows.append(("\n".join(disturbed(generator, line, WORDS) for line in lines), "\n".join(lines)))
    return rows


def rouge():
    kinds = ["rouge1", "rouge2", "rouge3", "rougeL", "rougeLsum"]
    scorers = [rouge_scorer.RougeScorer(kinds, use_stemmer=stem) for stem in (False, True)]
    found = []
    for prediction, reference in rouge_rows():
        scores = [
            {kind: [score.precision, score.recall, score.fmeasure] for kind, score in scorer.score(reference, prediction).items()}
            for scorer in scorers
        ]
        found.append({"prediction": prediction, "reference": reference, "plain": scores[0], "stemmed": scores[1]})
    return found


def stems():
    generator = random.Random(SEED + 2)
    endings = (
        "s es ies sses ss ed eed ied ing ational tional enci anci izer bli abli alli entli eli ousli ization ation ator alism "
        "iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic able "
        "ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize e ll y ly ity ogy ological ying yed ies"
    ).split()
    starts = (
        "a b be tr y ye sky fly fl hop hopp happ control roll fall fizz tann pl o ou oa geo theo archaeo th rel "
        "condit vietnam oper decis hesit digit conform rad analog predic feud sens form goodn electr triplic adjust hom crypt "
        "proba parall cease e eye syzyg 1st x2 qu agr fe bl mot conflat troubl siz fil enjo sa"
    ).split()
    words = {start + ending for start in starts for ending in generator.sample(endings, 12)}
    words |= set(
        "skies sky dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed "
        "caresses ponies ties caress cats feed agreed plastered bled motoring sing conflated troubled sized hopping "
        "tanned falling hissing fizzed failing filing happy relational rational valenci hesitanci digitizer conformabli "
        "radicalli differentli vileli analogousli vietnamization predication operator feudalism decisiveness hopefulness "
        "callousness formaliti sensitiviti sensibiliti triplicate formative formalize electriciti electrical hopeful "
        "goodness revival allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment "
        "dependent adoption homologou communism activate angulariti homologous effective bowdlerize probate rate cease "
        "controll roll enjoy enjoyment say by yyy yyyy ayy oed ing ied ies aing is as us oxen generalizations oscillators".split()
    )
    stemmer = PorterStemmer()
    return {word: stemmer.stem(word) for word in sorted(words)}


def main():
    write_json(FIXTURES / "generation_metrics.json", {
        "generator": "tools/golden/generation_metrics.py",
        "versions": versions("sacrebleu", "rouge-score", "nltk", "regex"),
        "seed": SEED,
        "corpora": {name: corpus(*texts) for name, texts in corpora().items()},
        "rouge": rouge(),
        "stems": stems(),
    })


if __name__ == "__main__":
    main()
