import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { requireTensors } from "./match-tensors.ts";
import { openSafetensors, type TensorFile, writeSafetensors } from "./safetensors.ts";

let folder = "";
let file: TensorFile;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-match-"));
  const path = join(folder, "w.safetensors");
  const tensor = (name: string, shape: number[]) => ({ name, dtype: "F32" as const, shape, data: new Float32Array(6) });
  await writeSafetensors(path, [
    tensor("encoder.weight", [2, 3]),
    tensor("encoder.bias", [6]),
    tensor("pooler.bias", [6]),
  ]);
  file = await openSafetensors(path);
});
afterEach(async () => {
  await file.close();
  await rm(folder, { recursive: true, force: true });
});

it("lists missing, unexpected and mis-shaped tensors together (a transposed matrix has the same element count)", () => {
  const needed = [
    { name: "encoder.weight", shape: [3, 2] },
    { name: "pooler.beta", shape: [6] },
    { name: "encoder.bias", shape: [6] },
  ];
  expect(() => requireTensors(file, needed)).toThrow(
    [
      "1 missing:",
      "  - pooler.beta (the file has pooler.bias)",
      "1 unexpected:",
      "  - pooler.bias",
      "1 of another shape:",
      "  - encoder.weight: needed [3,2], found [2,3]",
    ].join("\n"),
  );
});

it("lets declared differences pass and reports them, but no others", () => {
  const needed = [
    { name: "encoder.weight", shape: [2, 3] },
    { name: "encoder.bias", shape: [6] },
    { name: "head.bias", shape: [2] },
  ];
  const mayBeMissing = (name: string) => name.startsWith("head.");
  const mayBeUnexpected = (name: string) => name.startsWith("pooler.");
  expect(requireTensors(file, needed, { mayBeMissing, mayBeUnexpected })).toEqual({
    missing: ["head.bias"],
    unexpected: ["pooler.bias"],
    misshaped: [],
  });
  expect(() => requireTensors(file, needed, { mayBeMissing })).toThrow("1 unexpected:");
});
