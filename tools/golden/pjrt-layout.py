"""Layouts of the PJRT C interface's structs, as a C++ compiler has them: tests/fixtures/xla/pjrt-layout.json.

    python tools/golden/pjrt-layout.py PATH/TO/xla/pjrt/c/pjrt_c_api.h

The header lies in the Python packages tensorflow (tensorflow/include) and xla-cpu-pjrt. Needs c++.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

header = pathlib.Path(sys.argv[1]).resolve()
text = re.sub(r"//[^\n]*|/\*.*?\*/", "", header.read_text(), flags=re.S)
minor = re.search(r"#define PJRT_API_MINOR (\d+)", text).group(1)

structs = {}
for name, body in re.findall(r"struct (PJRT_\w+) \{(.*?)\n\};", text, flags=re.S):
    body = re.sub(r"union \{\s*[^;{}]*?(\w+);.*?\};", r"int \1;", body, flags=re.S)
    fields = []
    for declaration in body.split(";"):
        pointer = re.search(r"\(\*(\w+)\)", declaration)
        words = re.findall(r"\w+", declaration)
        if pointer or words:
            fields.append(pointer.group(1) if pointer else words[-1])
    if fields[:2] == ["struct_size", "extension_start"] and f"PJRT_DEFINE_STRUCT_TRAITS({name}," in text:
        structs[name] = fields[2:]

lines = [f'#include "{header}"', "#include <cstdio>", "int main() {"]
for name, fields in structs.items():
    lines.append(f'printf("{name} %d", (int){name}_STRUCT_SIZE);')
    lines += [f'printf(" %zu", offsetof({name}, {field}));' for field in fields]
    lines.append('printf("\\n");')
lines.append("}")

with tempfile.TemporaryDirectory() as folder:
    source, program = pathlib.Path(folder, "layout.cc"), pathlib.Path(folder, "layout")
    source.write_text("\n".join(lines))
    subprocess.run(["c++", "-w", "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout

layouts = {}
for line in output.splitlines():
    name, size, *offsets = line.split()
    layouts[name] = {"size": int(size), "offsets": [int(offset) for offset in offsets]}

table = re.search(r"typedef struct PJRT_Api \{(.*?)\} PJRT_Api;", text, flags=re.S).group(1)
functions = re.findall(r"_PJRT_API_STRUCT_FIELD\((\w+)\)", table)

target = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/xla/pjrt-layout.json"
target.parent.mkdir(parents=True, exist_ok=True)
body = ",\n".join(f"    {json.dumps(name)}: {json.dumps(layout)}" for name, layout in layouts.items())
names = json.dumps(functions)
source = f"xla/pjrt/c/pjrt_c_api.h, version 0.{minor}"
target.write_text(f'{{\n  "source": {json.dumps(source)},\n  "structs": {{\n{body}\n  }},\n  "functions": {names}\n}}\n')
print(f"{target.name}: {len(layouts)} structs, {len(functions)} functions of {source}")
