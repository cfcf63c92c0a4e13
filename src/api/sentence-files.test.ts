import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSentenceSettings, writeSentenceFiles } from "./sentence-files.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-sentence-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function written(name: string, files: Readonly<Record<string, unknown>>): Promise<string> {
  const place = join(folder, name);
  await mkdir(join(place, "1_Pooling"), { recursive: true });
  for (const [file, content] of Object.entries(files)) await writeFile(join(place, file), JSON.stringify(content));
  return place;
}

const transformer = { idx: 0, name: "0", path: "", type: "sentence_transformers.models.Transformer" };
const pooling = { idx: 1, name: "1", path: "1_Pooling", type: "sentence_transformers.models.Pooling" };

describe("the files of sentence-transformers", () => {
  it("are read as all-MiniLM-L6-v2 has them (catches a length or a normalisation that is passed over)", async () => {
    const place = await written("minilm", {
      "modules.json": [
        transformer,
        pooling,
        { idx: 2, name: "2", path: "2_Normalize", type: "sentence_transformers.models.Normalize" },
      ],
      "1_Pooling/config.json": {
        word_embedding_dimension: 384,
        pooling_mode_cls_token: false,
        pooling_mode_mean_tokens: true,
        pooling_mode_max_tokens: false,
        pooling_mode_mean_sqrt_len_tokens: false,
      },
      "sentence_bert_config.json": { max_seq_length: 256, do_lower_case: false },
    });
    expect(await readSentenceSettings(place)).toEqual({ pooling: "mean", maxSeqLength: 256, normalize: true });
  });

  it("come back as they were written", async () => {
    for (const settings of [
      { pooling: "cls", maxSeqLength: 64, normalize: true },
      { pooling: "max", maxSeqLength: undefined, normalize: false },
    ] as const) {
      const place = join(folder, settings.pooling);
      await writeSentenceFiles(place, { ...settings, size: 8 });
      expect(await readSentenceSettings(place)).toEqual(settings);
    }
  });

  it("are not there in other models; ways that Firth has not are refused", async () => {
    expect(await readSentenceSettings(await written("plain", {}))).toBeUndefined();
    const dense = { idx: 2, name: "2", path: "2_Dense", type: "sentence_transformers.models.Dense" };
    const config = { pooling_mode_mean_tokens: true };
    const withDense = await written("dense", {
      "modules.json": [transformer, pooling, dense],
      "1_Pooling/config.json": config,
    });
    await expect(readSentenceSettings(withDense)).rejects.toThrow("has a module Dense");
    const both = await written("both", {
      "modules.json": [transformer, pooling],
      "1_Pooling/config.json": { ...config, pooling_mode_cls_token: true },
    });
    await expect(readSentenceSettings(both)).rejects.toMatchObject({ code: "POOLING_UNSUPPORTED" });
  });
});
