import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { storedNumbers } from "../../../tests/support/stored-numbers.ts";
import { writeWeights } from "../../formats/model-weights.ts";
import { openAiGptFamily } from "../openai-gpt/family.ts";
import { gpt2Config, gpt2ConfigTable } from "./config.ts";
import { gpt2, gpt2Family } from "./family.ts";

const fixtures = fileURLToPath(new URL("../../../tests/fixtures/", import.meta.url));
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-gpt-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let folders = 0;
async function copyOf(fixture: string): Promise<string> {
  const folder = join(root, `model-${folders++}`);
  await cp(join(fixtures, fixture), folder, { recursive: true });
  return folder;
}

const configOf = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

describe.each([
  ["gpt2", gpt2Family],
  ["openai-gpt", openAiGptFamily],
] as const)("%s", (name, family) => {
  test("load and save gives the same keys, bits and settings (would catch a matrix written the wrong way round)", async () => {
    for (const fixture of ["lm", "lm-relu", "sequence-classification"]) {
      const source = join(fixtures, name, fixture);
      const isClassifier = fixture.startsWith("sequence");
      const loaded = await (isClassifier ? family.loadClassification(source, 1) : family.loadPretraining(source, 1));
      expect(loaded.newParameters).toEqual([]);
      const folder = await copyOf(`${name}/${fixture}`);
      await family.save(folder, loaded as never, { labels: loaded.labels });
      expect(await storedNumbers(folder)).toEqual(await storedNumbers(source));
      expect(await configOf(folder)).toMatchObject(await configOf(source));
    }
  });

  test("files of a bare network with mask buffers and a copy of the output load to the same numbers", async () => {
    const source = join(fixtures, name, "lm");
    const { weights } = await family.loadPretraining(source, 1);
    const tensors = [...(await storedNumbers(source)).values()].map((tensor) => ({
      ...tensor,
      name: tensor.name.replace(/^transformer\./, ""),
    }));
    const words = tensors.find((tensor) => /wte|tokens_embed/.test(tensor.name))!;
    const buffer = { dtype: "F32" as const, shape: [1, 1, 2, 2], data: Float32Array.of(1, 0, 1, 1) };
    const folder = await copyOf(`${name}/lm`);
    await writeWeights(folder, [
      ...tensors,
      { ...buffer, name: "h.0.attn.bias" },
      { ...buffer, name: "h.1.attn.masked_bias" },
      { ...words, name: "lm_head.weight" },
    ]);
    expect((await family.loadPretraining(folder, 1)).weights).toEqual(weights);
  });

  test("a classifier starts from a language model with a new head only, and the tied output is one parameter", async () => {
    const folder = join(fixtures, name, "lm");
    const { newParameters, module } = await family.loadClassification(folder, 1, 4);
    expect(newParameters).toEqual(["score"]);
    expect(shapeAt(module, "score")).toEqual([4, 12]);
    await expect(family.loadClassification(folder, 1)).rejects.toMatchObject({ code: "NOT_A_CLASSIFIER" });
  });
});

test("options that change the arithmetic are refused by name (would catch wrong numbers in silence)", () => {
  const json = { ...gpt2ConfigTable.serialize(gpt2Config()), model_type: "gpt2" };
  const options = {
    scale_attn_weights: false,
    scale_attn_by_inverse_layer_idx: true,
    reorder_and_upcast_attn: true,
    add_cross_attention: true,
    tie_word_embeddings: false,
  };
  const parse = () => gpt2ConfigTable.parse({ ...json, ...options, n_embd: 770 }, "config.json");
  for (const key of [...Object.keys(options), "n_head"]) expect(parse).toThrow(`${key}: must`);
  expect(() => gpt2ConfigTable.parse({ ...json, n_ctx: 512 }, "config.json")).toThrow("n_ctx");
});

test("projections into the residual begin smaller by the root of their number; the others at 0.02", () => {
  const config = gpt2Config({ preset: "mini", vocabSize: 64, maxPositionEmbeddings: 32 });
  const { weights } = gpt2(config, { seed: 3 });
  const deviation = (name: string) => {
    const data = weights.get(name)!;
    return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
  };
  for (const part of ["attentionOutput", "output"]) {
    expect(deviation(`encoder.layers.2.${part}.weight`)).toBeCloseTo(0.02 / Math.sqrt(8), 3);
  }
  for (const part of ["attention.qkv", "intermediate"]) {
    expect(deviation(`encoder.layers.2.${part}.weight`)).toBeCloseTo(0.02, 3);
  }
});

test("published sizes have the published numbers of parameters (would catch an untied output or a lost norm)", () => {
  // Of the checkpoints, without mask buffers.
  const published = { small: 124_439_808, medium: 354_823_168, large: 774_030_080, xl: 1_557_611_200 };
  for (const [preset, count] of Object.entries(published)) {
    const module = gpt2Family.pretraining(gpt2Config({ preset }));
    const config = gpt2Config({ preset });
    const total = gpt2Family
      .weightMap(config)
      .map(({ parameter }) => shapeAt(module, parameter))
      .reduce((sum, shape) => sum + (shape?.reduce((a, b) => a * b, 1) ?? 0), 0);
    expect(total, preset).toBe(count);
  }
});

/** The shape of the parameter at a path, where there is one. */
function shapeAt(module: object, path: string): readonly number[] | undefined {
  let at: unknown = module;
  for (const key of path.split(".")) at = (at as Record<string, unknown> | undefined)?.[key];
  return (at as { readonly shape: readonly number[] } | undefined)?.shape;
}
