"""Makes golden vocabularies and encodings of BPE and Unigram tokenizers with the Rust library and transformers.

    python tools/golden/tokenizer.py

Writes tests/fixtures/tokenizers.json: texts, options, vocabularies, merges, encodings, a small SentencePiece model.

Byte-level BPE is the same in every run of the Rust trainer. BPE with marks (`x</w>`, `##x`) takes the order of the marked
characters from a hash map: the fixture says which order this run had. Unigram sums in the order of a hash map (differences
in the last digits) and gives characters that were dropped their scores in such an order.
"""

import base64
import io
import random
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AlbertTokenizer, GPT2Tokenizer, OpenAIGPTTokenizer, RobertaTokenizer

import common

ENGLISH = [
    "The naïve café owner's résumé was re-read: co-operate, don't compete!",
    "Reading readers read the reader; the read reads as read. They'll re-read it, I'm sure, won't they?",
    "Bananas, BANANA bandanas & ananas -- aaaa aaaaaa aaaaaaaaa; hahaha, Mississippi.",
    "It cost $1,200.50 (about €1.100) in 1999/2000, i.e. 20% less than in 2001.",
    "  unhappy   unhappiness\thappily \n happiness un-happy happier happiest  ",
]
MIXED = [
    "我爱北京天安门，天安门上太阳升。BERT模型很好用！ 我们今天去北京看天安门。",
    "東京は日本の首都です。カタカナとひらがな。 한국어 문장도 있다.",
    "𠀀𠀁 😀😀 ok… e\u0301le\u0300ve cafe\u0301 ﬁne Straße ½ x²",
    "नमस्ते दुनिया สวัสดี שָׁלוֹם مَرْحَبًا zero\u0000width\u200djoiner non\u00a0breaking\u3000wide",
]
PROBES = [
    *["Hello, y'all! How are you 😁 ?", "", "   ", "\tTabs\tand\nnewlines\r\n", " the reader's unhappiness ", "don't DON'T 'tis"],
    *["naïve café — “quotes” ``x''", "日本語 한국어 中文。", "e\u0301 ﬁ ½ \u0000 \ufffd \u200d \u00a0 \u3000", "x" * 300],
    *["a <mask> b [MASK] c", "<s>x</s>", "<|endoftext|>", "1,234.56 2024-01-01", "👩\u200d👩\u200d👧 🇩🇪", "\u2028line\u0085next"],
]


def generated(count, seed):
    """Words of few syllables, some frequent: many ties, overlapping pairs, parts worth dropping."""
    rng = random.Random(seed)
    parts = ["ab", "aba", "ba", "bab", "c", "ca", "ing", "un", "er", "re", "tion", "st", "o", "e", "th"]
    stems = ["".join(rng.choice(parts) for _ in range(rng.randint(2, 5))) for _ in range(150)]
    return [" ".join(stems[min(149, int(rng.expovariate(0.03)))] for _ in range(9)) for _ in range(count)]


TEXTS = {"english": ENGLISH, "mixed": MIXED, "generated": generated(60, 1), "all": ENGLISH + MIXED + generated(60, 2)}

BYTE = {
    "default": ("all", {"vocab_size": 420}, {}),
    "exhausted": ("english", {"vocab_size": 30000, "min_frequency": 2}, {}),
    "every-merge": ("english", {"vocab_size": 600, "min_frequency": 0}, {}),
    "prefix-space": ("mixed", {"vocab_size": 330}, {"add_prefix_space": True}),
    "short-tokens": ("all", {"vocab_size": 400, "max_token_length": 4}, {}),
    "roberta": ("all", {"vocab_size": 400, "special_tokens": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]}, {}),
}
CHARACTER = {
    "gpt": ("all", {"vocab_size": 400, "end_of_word_suffix": "</w>"}),
    "prefix": ("english", {"vocab_size": 250, "continuing_subword_prefix": "##"}),
    "both": ("english", {"vocab_size": 250, "continuing_subword_prefix": "@@", "end_of_word_suffix": "</w>"}),
    "bare": ("generated", {"vocab_size": 120}),
    "limited": ("all", {"vocab_size": 260, "limit_alphabet": 12, "end_of_word_suffix": "</w>", "initial_alphabet": ["z"]}),
    "short-tokens": ("generated", {"vocab_size": 300, "max_token_length": 5, "end_of_word_suffix": "</w>"}),
}
UNIGRAM = {
    "unpruned": ("english", {"vocab_size": 300}),
    "pruned": ("generated", {"vocab_size": 60}),
    "all": ("all", {"vocab_size": 250}),
    "fast": ("generated", {"vocab_size": 50, "shrinking_factor": 0.4, "n_sub_iterations": 1}),
    "short": ("generated", {"vocab_size": 80, "max_piece_length": 4, "n_sub_iterations": 3}),
    "initial-alphabet": ("english", {"vocab_size": 150, "initial_alphabet": ["z", "字"]}),
}


def tokens_of(tokenizer):
    vocab = tokenizer.get_vocab()
    tokens = sorted(vocab, key=vocab.get)
    assert [vocab[token] for token in tokens] == list(range(len(tokens)))
    return tokens


def merges_of(tokenizer):
    return [" ".join(pair) for pair in common_model(tokenizer)["merges"]]


def common_model(tokenizer):
    import json

    return json.loads(tokenizer.to_str())["model"]


def byte_case(texts, options, pre):
    options = {"min_frequency": 2, "special_tokens": ["<|endoftext|>"], **options}
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(**{"add_prefix_space": False, **pre})
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(TEXTS[texts], trainers.BpeTrainer(initial_alphabet=alphabet, show_progress=False, **options))
    case = {"texts": texts, "options": {**options, **pre}, "merges": merges_of(tokenizer)}
    return {**case, "tokens": " ".join(tokens_of(tokenizer)[256 + len(options["special_tokens"]) :])}, tokenizer


def character_case(texts, options):
    options = {"min_frequency": 2, "special_tokens": ["<unk>"], **options}
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(TEXTS[texts], trainers.BpeTrainer(show_progress=False, **options))
    tokens = tokens_of(tokenizer)
    first, last = options.get("continuing_subword_prefix", ""), options.get("end_of_word_suffix", "")
    plain = {token for token in tokens if len(token) == 1}
    marked = {form for c in plain for form in (first + c, c + last, first + c + last)} - plain
    order = [token for token in tokens if token in marked]
    return {"texts": texts, "options": options, "order": order, "merges": merges_of(tokenizer), "tokens": " ".join(tokens)}, tokenizer


def unigram_case(texts, options):
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(), normalizers.StripAccents()]
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Lowercase(), normalizers.NFKC()])
    words = [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(words)
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.UnigramTrainer(special_tokens=special, unk_token="<unk>", show_progress=False, **options)
    tokenizer.train_from_iterator([text.replace("\0", "") for text in TEXTS[texts]], trainer)
    vocab = common_model(tokenizer)["vocab"]
    return {"texts": texts, "options": options, "pieces": [[token, round(score, 9)] for token, score in vocab]}, vocab


def encodings(tokenizer):
    rows = []
    for text in PROBES:
        single = tokenizer(text, return_offsets_mapping=True)
        pair = tokenizer(text, "the reader", return_token_type_ids=True)
        decoded = tokenizer.decode(single["input_ids"], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        rows.append(
            {
                "text": text,
                "ids": single["input_ids"],
                "offsets": single["offset_mapping"],
                "pair": pair["input_ids"],
                "types": pair["token_type_ids"],
                "decoded": decoded,
            }
        )
    return rows


def split_merges(case):
    return [tuple(line.split(" ")) for line in case["merges"]]


def sentence_piece():
    """A small SentencePiece model without normalization of its own, and how ALBERT's tokenizer uses it."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line.lower() for line in TEXTS["all"]]),
        model_writer=model,
        vocab_size=220,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]"],
        user_defined_symbols=["[MASK]"],
        num_threads=1,
        minloglevel=2,
    )
    plain = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spiece.model"
        path.write_bytes(model.getvalue())
        tokenizer = AlbertTokenizer.from_pretrained(folder, mask_token=AddedToken("[MASK]", lstrip=True, special=True))
        lower = ["the reader reads; read it", "unhappiness happily ", "aaaa banana", "it cost 1,200.50 in 1999,", "北京 ok"]
        return {
            "model": base64.b64encode(model.getvalue()).decode(),
            "plain": [{"text": text, "ids": plain.encode(text)} for text in lower],
            "albert": [{"text": row["text"], "ids": row["ids"]} for row in encodings(tokenizer)],
        }


def main():
    fixture = {"versions": common.versions("tokenizers", "transformers", "sentencepiece"), "texts": TEXTS}
    byte = {name: byte_case(*case) for name, case in BYTE.items()}
    character = {name: character_case(*case) for name, case in CHARACTER.items()}
    unigram = {name: unigram_case(*case) for name, case in UNIGRAM.items()}
    for kind, cases in (("byteBpe", byte), ("bpe", character), ("unigram", unigram)):
        fixture[kind] = {name: case for name, (case, _) in cases.items()}
    gpt2, roberta, gpt = byte["default"], byte["roberta"], character["gpt"]
    vocab = lambda pair: pair[1].get_vocab()
    # As in the published checkpoints: the mask swallows the space before it.
    mask = lambda token: AddedToken(token, lstrip=True, special=True, normalized=False)
    albert = [(token, score) for token, score in unigram["all"][1]]
    fixture["families"] = {
        "gpt2": encodings(GPT2Tokenizer(vocab=vocab(gpt2), merges=split_merges(gpt2[0]))),
        "roberta": encodings(RobertaTokenizer(vocab=vocab(roberta), merges=split_merges(roberta[0]), mask_token=mask("<mask>"))),
        "openai-gpt": encodings(OpenAIGPTTokenizer(vocab=vocab(gpt), merges=split_merges(gpt[0]))),
        "albert": encodings(AlbertTokenizer(vocab=albert, mask_token=mask("[MASK]"))),
    }
    fixture["sentencePiece"] = sentence_piece()
    common.write_json(common.FIXTURES / "tokenizers.json", fixture)


main()
