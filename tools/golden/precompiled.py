"""A SentencePiece character map with rules at the edges of graphemes, for the tests of word caches: tests/fixtures/precompiled.json."""

import base64
import io
import tempfile
from pathlib import Path

import common
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as schema

# Each source becomes its target. White space of several kinds, also together with what extends it; ligatures, widths, accents;
# rules whose source begins as another's does, so that a grapheme is replaced by what its beginning maps to.
RULES = {
    **{space: " " for space in "\t\n\r\u0085\u00a0\u1680\u2002\u2003\u2009\u2028\u2029\u202f\u205f\u3000"},
    "\u00a0\u0301": "\u00b4",
    "\u3000\u3099": "\u309b",
    " \u0308": "\u00a8",
    "\u200b": " ",
    "\u200d": "",
    # White space that joins words, as in nmt_nfkc.
    "\u000b": "",
    "\u00ad": "",
    "\ufb01": "fi",
    "\uff21": "A",
    "\uff9e": "\u3099",
    "e\u0301": "\u00e9",
    "a\u0300": "\u00e0",
    "\u0301": "",
    "\u0600": "#",
    "\u110bd": "k",
    "\U0001f44d": "+",
    "\u2026": "...",
    "\u00bd": "1/2",
    "\u0130": "i",
    "\u1100\u1161": "\uac00",
}


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rules.tsv"
        code = lambda text: " ".join(f"{ord(character):X}" for character in text)
        path.write_text("".join(f"{code(source)}\t{code(target)}\n" for source, target in RULES.items()))
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["the reader reads", "a small cat", "ab ba"] * 5),
            model_writer=model,
            vocab_size=30,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(path),
            num_threads=1,
            minloglevel=2,
        )
    parsed = schema.ModelProto()
    parsed.ParseFromString(model.getvalue())
    common.write_json(
        common.FIXTURES / "precompiled.json",
        {
            "versions": common.versions("sentencepiece"),
            "charsmap": base64.b64encode(parsed.normalizer_spec.precompiled_charsmap).decode(),
        },
    )


main()
