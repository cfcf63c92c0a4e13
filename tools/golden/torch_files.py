"""State dicts as torch.save writes them, in both of its formats, and pickles that no loader should run.

    python tools/golden/torch_files.py

Writes tests/fixtures/torch/: `*.bin`, with the same tensors in `expected.safetensors`, and `hostile/*.bin`.
"""

import collections
import io
import os
import pickle
import zipfile

import torch
from safetensors.torch import load_file, save_file

from common import FIXTURES, versions, write_json

FOLDER = FIXTURES / "torch"
SEED = 23


def state_dict():
    """Every dtype, and views that are not whole, not contiguous, shared or repeated."""
    torch.manual_seed(SEED)
    base = torch.randn(6, 8)
    found = collections.OrderedDict()
    found["plain"] = torch.randn(3, 4)
    found["f64"] = torch.randn(5, dtype=torch.float64)
    found["f16"] = torch.randn(2, 3).half()
    found["bf16"] = torch.randn(2, 3).bfloat16()
    found["i64"] = torch.tensor([-(2**62), 7])
    found["i32"] = torch.tensor([-5, 6], dtype=torch.int32)
    found["i16"] = torch.tensor([-5, 6], dtype=torch.int16)
    found["i8"] = torch.tensor([-5, 6], dtype=torch.int8)
    found["u8"] = torch.tensor([5, 250], dtype=torch.uint8)
    found["bool"] = torch.tensor([True, False, True])
    found["scalar"] = torch.tensor(42.5)
    found["empty"] = torch.zeros(0, 4)
    found["shared.whole"] = base
    found["shared.tied"] = base
    found["shared.transposed"] = base.t()
    found["shared.rows"] = base[2:5]
    found["shared.column"] = base[:, 3]
    found["shared.steps"] = base[::2, 1::3]
    found["shared.permuted"] = base.view(2, 3, 8).permute(2, 0, 1)
    found["shared.repeated"] = base[1:2].expand(4, 8)
    found["shared.diagonal"] = base.diagonal()
    found["parameter"] = torch.nn.Parameter(torch.randn(4))
    found["odd name ü\"'"] = torch.ones(1)
    found._metadata = collections.OrderedDict([("", {"version": 1})])
    return found


class Call:
    """A pickle that calls something when it is loaded."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def write_zip(path, content, extra=(), compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", "3\n")
        for name, data in extra:
            archive.writestr(f"archive/{name}", data)


def stored(function, *arguments):
    """A pickle whose persistent ids are the tuples given as text."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, item):
            return item.id if isinstance(item, Reference) else None

    buffer = io.BytesIO()
    Pickler(buffer, 2).dump(Call(function, *arguments) if arguments else function)
    return buffer.getvalue()


class Reference:
    def __init__(self, *identity):
        self.id = identity


def tensor(offset, size, stride, elements=4, key="0"):
    storage = Reference("storage", torch.FloatStorage, key, "cpu", elements)
    return Call(torch._utils._rebuild_tensor_v2, storage, offset, size, stride, False, collections.OrderedDict())


def hostile():
    folder = FOLDER / "hostile"
    folder.mkdir(parents=True, exist_ok=True)
    calls = {
        "system": Call(os.system, "touch firth-was-here"),
        "eval": Call(eval, "open('firth-was-here', 'w')"),
        "exec": Call(exec, "open('firth-was-here', 'w')"),
        "load": Call(torch.load, "other.bin"),
        "getattr": Call(getattr, "text", "upper"),
        "import": Call(__import__, "os"),
        "bytes": Call(torch.storage._load_from_bytes, b""),
        "partial": {"weight": Call(os.getcwd)},
    }
    for name, call in calls.items():
        write_zip(folder / f"{name}.bin", pickle.dumps(call, 2))
    (folder / "system-legacy.bin").write_bytes(pickle.dumps(Call(os.system, "touch firth-was-here"), 2))
    (folder / "system-protocol-0.bin").write_bytes(b"\x80\x00" + pickle.dumps(Call(os.system, "true"), 0))
    (folder / "system-protocol-4.bin").write_bytes(pickle.dumps(Call(os.system, "true"), 4))
    data = bytes(16)
    views = {
        "beyond": tensor(2, (3,), (1,)),
        "negative-offset": tensor(-1, (3,), (1,)),
        "negative-stride": tensor(3, (4,), (-1,)),
        "far-stride": tensor(0, (2, 2), (1, 2**40)),
        "huge-repeat": tensor(0, (2**40,), (0,)),
        "huge-rank": tensor(0, (1,) * 100, (1,) * 100),
        "overflowing": tensor(0, (2**40, 2**40, 0), (0, 0, 0)),
        "mismatched-strides": tensor(0, (2, 2), (1,)),
        "lying-length": tensor(0, (400,), (1,), elements=400),
        "other-storage": tensor(0, (4,), (1,), key="../data.pkl"),
    }
    for name, view in views.items():
        write_zip(folder / f"view-{name}.bin", stored({"weight": view}), [("data/0", data)])
    write_zip(folder / "not-a-dict.bin", pickle.dumps([1, 2], 2))
    write_zip(folder / "not-a-tensor.bin", pickle.dumps({"weight": "text"}, 2))
    write_zip(folder / "number-key.bin", stored({7: tensor(0, (4,), (1,))}), [("data/0", data)])
    write_zip(folder / "nested.bin", stored({"state_dict": {"weight": tensor(0, (4,), (1,))}}), [("data/0", data)])
    write_zip(folder / "compressed.bin", stored({"weight": tensor(0, (4,), (1,))}), [("data/0", data)], zipfile.ZIP_DEFLATED)
    write_zip(folder / "big-endian.bin", stored({"weight": tensor(0, (4,), (1,))}), [("data/0", data), ("byteorder", "big")])


def bert():
    """The weights of bert/pretraining as their authors' own scripts would save them, ties included."""
    tensors = load_file(FIXTURES / "bert" / "pretraining" / "model.safetensors")
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    tensors["cls.predictions.decoder.bias"] = tensors["cls.predictions.bias"]
    torch.save(collections.OrderedDict(tensors), FOLDER / "bert.bin")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    tensors = state_dict()
    torch.save(tensors, FOLDER / "zip.bin")
    torch.save(tensors, FOLDER / "legacy.bin", _use_new_zipfile_serialization=False)
    torch.save({"a": torch.arange(3.0), "b": torch.tensor([0, 1, 2, 3], dtype=torch.uint16)}, FOLDER / "plain-dict.bin")
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, FOLDER / "expected.safetensors")
    hostile()
    bert()
    write_json(FOLDER / "fixture.json", {
        "generator": "tools/golden/torch_files.py",
        "versions": versions("torch", "safetensors"),
        "seed": SEED,
        "names": list(tensors),
    })


if __name__ == "__main__":
    main()
