import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tinyBert } from "../../tests/support/tiny-run.ts";
import { requireNames, storedTensors } from "./weight-map.ts";

test("a parameter that no file has a name for is an error, not left out (bug: a head is saved without, and loaded anew)", () => {
  const { family, config, module } = tinyBert();
  const map = family.weightMap(config);
  expect(() => requireNames(module, map, "bert")).not.toThrow();
  const without = map.filter(({ parameter }) => parameter !== "encoder.layers.1.output.bias");
  expect(() => requireNames(module, without, "bert")).toThrow(
    "internal: the weight map of bert has no name for encoder.layers.1.output.bias",
  );
});

test("a parameter without numbers ends the writing, and leaves no folder that looks like a model's (bug: config.json came first)", async () => {
  const root = await mkdtemp(join(tmpdir(), "firth-weights-"));
  try {
    const { family, config, module, weights } = tinyBert();
    const lacking = new Map([...weights].filter(([name]) => name !== "encoder.layers.1.output.bias"));
    const missing = 'no numbers for parameter "encoder.layers.1.output.bias"';
    expect(() => [...storedTensors(module, lacking, family.weightMap(config))]).toThrow(missing);
    const folder = join(root, "model");
    await mkdir(folder);
    await expect(family.save(folder, { config, module, weights: lacking })).rejects.toThrow(missing);
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});
