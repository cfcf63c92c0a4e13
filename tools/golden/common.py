"""What every generator shares: where fixtures go, how they are written, and which versions wrote them."""

import json
import math
import platform
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "tests" / "fixtures"


def versions(*packages):
    """Versions of Python and of the named packages, for the record beside a fixture."""
    import importlib.metadata

    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in packages}}


def plain(value):
    """JSON-ready copy; non-finite numbers become the strings "NaN", "Infinity", "-Infinity"."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def write_json(path, document):
    """One key per line down to depth two, so that a regenerated fixture has a readable diff."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def lines(value, depth):
        if depth == 0 or not isinstance(value, (dict, list)) or not value:
            return json.dumps(value, allow_nan=False)
        pad, end = "  " * (4 - depth), "  " * (3 - depth)
        if isinstance(value, dict):
            inner = [f"{pad}{json.dumps(key)}: {lines(item, depth - 1)}" for key, item in value.items()]
            return "{\n" + ",\n".join(inner) + f"\n{end}}}"
        return "[\n" + ",\n".join(pad + lines(item, depth - 1) for item in value) + f"\n{end}]"

    path.write_text(lines(plain(document), 3) + "\n", encoding="utf-8")
    print(f"{path.relative_to(FIXTURES.parents[1])}: {path.stat().st_size} bytes")
