"""Makes the golden vocabularies of the WordPiece trainer with the Rust library.

    pip install tokenizers==0.23.3
    python tools/golden/wordpiece.py

Writes src/tokenizers/fixtures/trained-*.json: the texts, the options, the vocabulary by id.

The Rust trainer takes the continuing characters (##x) in the order of a hash map, different in every run, and
equally frequent pairs are merged by id; so a fixture also says which order that run had ("continuing"), and the
test repeats it. Which characters remain at limit_alphabet is left to the same chance where they are equally
frequent: such limits are refused here.
"""

import json
import pathlib
import random
from collections import Counter

import tokenizers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "src" / "tokenizers" / "fixtures"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

ENGLISH = [
    "The naïve café owner's résumé was re-read: co-operate, don't compete!",
    "Reading readers read the reader; the read reads as read.",
    "Bananas, BANANA bandanas & ananas -- aaaa aaaaaa aaaaaaaaa; hahaha, Mississippi.",
    "It cost $1,200.50 (about €1.100) in 1999/2000, i.e. 20% less than in 2001.",
    "unhappy unhappiness happily happiness un-happy happier happiest",
]
CHINESE = [
    "我爱北京天安门，天安门上太阳升。BERT模型很好用！",
    "東京は日本の首都です。カタカナとひらがな。 한국어 문장도 있다.",
    "𠀀𠀁是生僻字；emoji 😀😀 ok…",
    "我们今天去北京看天安门，明天回家。",
]
STRANGE = [
    "e\u0301le\u0300ve cafe\u0301 CAFÉ ÀÉÎÕÜ İstanbul ΟΔΥΣΣΕΥΣ Straße ﬁne",
    "zero\u0000width\u200djoiner soft\u00adhyphen non\u00a0breaking\u3000wide",
    "tab\tnew\nline\r\nend \ufffd [MASK] [UNK]",
    "नमस्ते दुनिया สวัสดี שָׁלוֹם مَرْحَبًا",
]


def generated(count: int, seed: int) -> list[str]:
    """Words of few syllables: many ties and overlapping pairs."""
    rng = random.Random(seed)
    parts = ["ab", "aba", "ba", "bab", "c", "ca", "ab", "aa", "a"]
    lines = []
    for _ in range(count):
        words = ["".join(rng.choice(parts) for _ in range(rng.randint(1, 5))) for _ in range(8)]
        lines.append(" ".join(words))
    return lines


SETS = {
    "default": (ENGLISH, {"vocab_size": 200}, {}),
    "all-merges": (ENGLISH, {}, {}),
    "min-frequency": (ENGLISH * 2 + ENGLISH[:2], {"vocab_size": 400, "min_frequency": 3}, {}),
    "limit-alphabet": (ENGLISH, {"vocab_size": 150, "limit_alphabet": 17}, {}),
    "initial-alphabet": (ENGLISH[:2], {"vocab_size": 150, "initial_alphabet": ["z", "é", "字"]}, {}),
    "cased": (ENGLISH, {"vocab_size": 200}, {"lowercase": False, "strip_accents": None}),
    "accents-kept": (STRANGE, {"vocab_size": 250}, {"strip_accents": False}),
    "strange": (STRANGE, {"vocab_size": 250}, {}),
    "chinese": (CHINESE, {"vocab_size": 250}, {}),
    "chinese-joined": (CHINESE, {"vocab_size": 250}, {"handle_chinese_chars": False}),
    "not-cleaned": (STRANGE, {"vocab_size": 250}, {"clean_text": False, "lowercase": False}),
    "other-prefix": (ENGLISH, {"vocab_size": 200, "continuing_subword_prefix": "@@"}, {}),
    "no-prefix": (ENGLISH, {"vocab_size": 200, "continuing_subword_prefix": ""}, {}),
    "other-specials": (ENGLISH, {"vocab_size": 150, "special_tokens": ["[UNK]", "a", "re", "<x>"]}, {}),
    "overlaps": (generated(40, 1), {"vocab_size": 300}, {}),
}


def train(texts, trainer_options, normalizer_options):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizer_options)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    options = {"special_tokens": SPECIAL, **trainer_options}
    trainer = trainers.WordPieceTrainer(show_progress=False, **options)
    tokenizer.train_from_iterator(texts, trainer)
    vocab = tokenizer.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    assert [vocab[token] for token in tokens] == list(range(len(tokens)))
    words = Counter()
    for text in texts:
        normalized = tokenizer.normalizer.normalize_str(text)
        words.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized))
    return tokens, words, options


def continuing_order(tokens, words, options):
    """Characters inside words in the order that this run of the trainer gave their ids."""
    characters = Counter()
    inside = set()
    for word, count in words.items():
        for character in word:
            characters[character] += count
        inside.update(word[1:])
    for character in options.get("initial_alphabet", []):
        characters[character] = 10**18
    limit = options.get("limit_alphabet")
    kept = set(characters)
    if limit is not None and len(characters) > limit:
        ranked = characters.most_common()
        assert ranked[limit - 1][1] > ranked[limit][1], f"a tie at limit_alphabet: {ranked[limit - 2:limit + 3]}"
        kept = {character for character, _ in ranked[:limit]}
    prefix = options.get("continuing_subword_prefix", "##")
    ids = {token: index for index, token in enumerate(tokens)}
    known = kept | {token for token in options["special_tokens"] if len(token) == 1}
    return sorted(inside & known, key=lambda character: ids[prefix + character])


FOLDER.mkdir(parents=True, exist_ok=True)
for name, (texts, trainer_options, normalizer_options) in SETS.items():
    tokens, words, options = train(texts, trainer_options, normalizer_options)
    fixture = {
        "madeBy": f"tools/golden/wordpiece.py, tokenizers {tokenizers.__version__}",
        "trainer": options,
        "normalizer": normalizer_options,
        "texts": texts,
        "continuing": "".join(continuing_order(tokens, words, options)),
        "words": len(words),
        "tokens": " ".join(tokens),
    }
    path = FOLDER / f"trained-{name}.json"
    path.write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(path.name, len(tokens), path.stat().st_size)
