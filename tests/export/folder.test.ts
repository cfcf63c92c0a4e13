/** @file Exported folders: what is in them, and what happens when there can be none. */
import { mkdtempSync } from "node:fs";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, describe, expect, it } from "vitest";
import { exportModel } from "../../src/api/export.ts";
import { exportedFamily, exportGraphs } from "../../src/export/export-model.ts";
import { fileWeights } from "../../src/export/weights.ts";
import { encodeFile, writeOnnxFile } from "../../src/export/write-file.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bert, bertFamily } from "../../src/models/bert/family.ts";
import type { EncoderInputs } from "../../src/models/model.ts";
import { openEngine } from "../../src/runtime.ts";
import { reshape } from "../../src/tensor/movement.ts";
import { BatchProgram } from "../../src/train/batch-program.ts";
import { FixedWeights } from "../../src/train/fixed-weights.ts";
import { traceForward } from "../../src/train/forward-graph.ts";
import { difference, fixtureFolder, int64 } from "./session.ts";

const work = mkdtempSync(join(tmpdir(), "firth-export-"));
afterAll(() => rm(work, { recursive: true, force: true }));

/** A fixture with a tokenizer beside it. */
async function modelFolder(fixture: string, name: string): Promise<string> {
  const folder = join(work, name);
  await cp(fixtureFolder(fixture), folder, { recursive: true });
  const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from({ length: 32 }, (_, i) => `word${i}`)];
  await writeFile(join(folder, "vocab.txt"), words.join("\n"));
  return folder;
}

const ids = { shape: [2, 3], data: Int32Array.of(2, 9, 3, 2, 8, 7) };
const ones = { shape: [2, 3], data: Int32Array.of(1, 1, 1, 1, 1, 1) };
const none = { shape: [2, 3], data: new Int32Array(6) };
const feeds = { input_ids: int64(ids), attention_mask: int64(ones), token_type_ids: int64(none) };

describe("exportModel", () => {
  it("writes what transformers.js looks for, by the task that config.json names", async () => {
    const model = await modelFolder("bert/pretraining", "pretrained");
    const out = join(work, "exported");
    const exported = await exportModel(model, { outputDir: out });
    expect(exported).toMatchObject({ family: "bert", task: "fill-mask", dtype: "f32", opset: 20 });
    expect(exported.files).toMatchObject([{ name: "onnx/model.onnx", outputs: ["logits"] }]);
    expect((await readdir(out)).sort()).toEqual(
      expect.arrayContaining(["config.json", "onnx", "tokenizer.json", "tokenizer_config.json"]),
    );
    const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
    expect(config).toMatchObject({ architectures: ["BertForMaskedLM"], model_type: "bert", vocab_size: 37 });
    const session = await InferenceSession.create(join(out, "onnx", "model.onnx"));
    expect((await session.run(feeds)).logits!.dims).toEqual([2, 3, 37]);
  });

  it("refuses a task without head or of another kind, and leaves nothing behind", async () => {
    const [pretrained, classifier] = [
      await modelFolder("bert/pretraining", "pretrained-2"),
      await modelFolder("bert/sequence-classification", "classifier"),
    ];
    const out = join(work, "refused");
    const attempt = (folder: string, task: string) =>
      exportModel(folder, { outputDir: out, task: task as "fill-mask" });
    await expect(attempt(pretrained, "text-generation")).rejects.toMatchObject({ code: "EXPORT_TASK" });
    await expect(attempt(pretrained, "text2text-generation")).rejects.toMatchObject({ code: "EXPORT_TASK" });
    await expect(attempt(pretrained, "text-classification")).rejects.toMatchObject({ code: "NOT_A_CLASSIFIER" });
    await expect(attempt(classifier, "fill-mask")).rejects.toMatchObject({ code: "MODEL_LACKS_HEAD" });
    await expect(attempt(pretrained, "fill-masks")).rejects.toThrow(/Did you mean fill-mask\?/);
    expect((await readdir(work)).filter((name) => name.includes("refused"))).toEqual([]);
  });

  it("says why a model that writes mask by mask has no file to write with (bug: a file for masked words in its place)", async () => {
    const folder = await modelFolder("bert/pretraining", "writer");
    await writeFile(join(folder, "task.json"), JSON.stringify({ task: "sequenceToSequence" }));
    const out = join(work, "written-out");
    await expect(exportModel(folder, { outputDir: out })).rejects.toMatchObject({
      code: "EXPORT_TASK",
      message: expect.stringMatching(/mask by mask.*text2text-generation.*firth generate.*fill-mask/) as string,
    });
    expect(await exportModel(folder, { outputDir: out, task: "fill-mask" })).toMatchObject({ task: "fill-mask" });
  });

  it("takes a classifier of two classes without names, as transformers writes it", async () => {
    const model = await modelFolder("bert/sequence-classification", "unnamed");
    const path = join(model, "config.json");
    const { id2label: _names, label2id: _ids, ...config } = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...config, num_labels: 3 }));
    const { task, files } = await exportModel(model, { outputDir: join(work, "unnamed-out") });
    expect([task, files[0]!.outputs]).toEqual(["text-classification", ["logits"]]);
    // Two is what no number means; this one has three.
    await writeFile(path, JSON.stringify(config));
    await expect(exportModel(model, { outputDir: join(work, "unnamed-2") })).rejects.toThrow(/classifier/);
  });

  it("says where it cannot write", async () => {
    const model = await modelFolder("bert/pretraining", "pretrained-3");
    const inside = join(model, "config.json", "out");
    await expect(exportModel(model, { outputDir: inside })).rejects.toMatchObject({ path: expect.any(String) });
    expect(JSON.parse(await readFile(join(model, "config.json"), "utf8"))).toMatchObject({ model_type: "bert" });
  });
});

describe("writeOnnxFile", () => {
  it("keeps many numbers in a file beside the model, with the same results", async () => {
    const state = await bertFamily.loadPretraining(fixtureFolder("bert/pretraining"), 0);
    const weights = fileWeights(state.module, state.weights, "f32");
    const graph = exportGraphs(state.module, "fill-mask", exportedFamily("bert", state.config), weights).get("model")!;
    const path = join(work, "beside", "model.onnx");
    const written = await writeOnnxFile(path, graph, weights, { mostBytesInside: 100 });
    expect(written.hasDataFile).toBe(true);
    expect((await readdir(join(work, "beside"))).sort()).toEqual(["model.onnx", "model.onnx_data"]);
    const [inside, beside] = await Promise.all([
      InferenceSession.create(encodeFile(graph, weights)),
      InferenceSession.create(path),
    ]);
    const [a, b] = [(await inside.run(feeds)).logits!, (await beside.run(feeds)).logits!];
    expect(difference(a, { shape: b.dims, data: b.data as Float32Array })).toBe(0);
  });
});

describe("int8", () => {
  it("gives what Firth's own int8 gives, in a third of the bytes (the scale of another output fails)", async () => {
    const config = bertConfig({
      vocabSize: 37,
      hiddenSize: 128,
      numHiddenLayers: 2,
      numAttentionHeads: 2,
      intermediateSize: 256,
      maxPositionEmbeddings: 16,
      initializerRange: 0.2,
    });
    const { module, weights } = bert(config, { seed: 4 });
    const own = fileWeights(module, weights, "int8");
    const graph = exportGraphs(module, "fill-mask", exportedFamily("bert", config), own).get("model")!;
    const bytes = encodeFile(graph, own);
    const plain = [...weights.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(bytes.length).toBeLessThan(plain / 3);
    expect(graph.nodes.filter(({ opType }) => opType === "MatMulInteger").length).toBeGreaterThan(6);
    const session = await InferenceSession.create(bytes);
    const { logits } = await session.run(feeds);

    const engine = await openEngine({ threads: 1 });
    const store = new FixedWeights(engine, module, weights, "int8");
    const tensor = (data: Int32Array) => ({ dtype: "i32" as const, shape: [2, 3], data });
    const positions = Int32Array.of(0, 1, 2, 0, 1, 2);
    const batch = {
      tensors: {
        inputIds: tensor(ids.data),
        sequenceIds: tensor(ones.data),
        positionIds: tensor(positions),
        tokenTypeIds: tensor(none.data),
      },
      counts: {},
      numSequences: 2,
      numTokens: 6,
      numPlaces: 6,
    };
    const program = new BatchProgram({
      backend: engine,
      store,
      fixed: ({ numPlaces }) => store.fixedFor(numPlaces),
      trace: (given) =>
        traceForward(
          store.parameters,
          given,
          { compute: "f32" },
          (context, inputs) => {
            const { lastHiddenState } = module.encoder.encode(context, inputs as unknown as EncoderInputs);
            return { logits: reshape(module.maskedLmLogits!(context, lastHiddenState), [2, 3, 37]) };
          },
          store.quantized,
        ),
    });
    const mine = await program.run(batch);
    expect(difference(logits!, { shape: [2, 3, 37], data: mine.logits as Float32Array })).toBeLessThan(1e-4);
    await program.dispose();
    store.dispose();
    await engine.dispose();
  });
});
