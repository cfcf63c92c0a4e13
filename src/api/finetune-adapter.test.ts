import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { AdapterOptions } from "../models/adapter/option.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { adoptWeights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import type { TrainEvent } from "../train/event.ts";
import { mergeAdapter } from "./adapter.ts";
import { evaluate } from "./evaluate.ts";
import { finetune } from "./finetune.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { loadClassifier } from "./load.ts";
import { saveModel } from "./model.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  vocabSize: tokenizer.vocabSize,
  hiddenSize: 32,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 64,
  maxPositionEmbeddings: 32,
});
const task = textClassification({ tokenizer, maxSeqLength: 16 });

/** Texts whose class is decided by one of their words. */
function keywordRows(count: number, seed: number): { text: string; label: string }[] {
  const random = new Random(seed, "rows");
  const fillers = ["film", "book", "plot", "cast", "very", "so", "the", "a"];
  return Array.from({ length: count }, () => {
    const isGood = random.next() < 0.5;
    const words = Array.from({ length: 1 + random.nextInt(6) }, () => fillers[random.nextInt(fillers.length)]!);
    words.push((isGood ? ["good", "fine"] : ["bad", "poor"])[random.nextInt(2)]!);
    return { text: words.join(" "), label: isGood ? "positive" : "negative" };
  });
}

const tables = { train: testTable("train.tsv", keywordRows(128, 1)), eval: testTable("dev.tsv", keywordRows(48, 2)) };

describe("fine-tuning with an adapter", () => {
  let engine: Backend;
  let root: string;
  let base: string;
  const fresh = bert(config, { seed: 5 });
  let pretrained: typeof fresh;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    root = await mkdtemp(join(tmpdir(), "firth-finetune-adapter-"));
    base = join(root, "base");
    // An encoder that knows something: adapters of random networks learn slowly.
    const options = { engine, batchSize: 16, learningRate: 2e-3, numEpochs: 6 };
    const learnt = await finetune(fresh, task, tables, options);
    pretrained = { ...fresh, weights: adoptWeights(fresh.weights, learnt.weights).weights };
    await saveModel(base, { ...pretrained, tokenizer });
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(root, { recursive: true, force: true });
  });
  const run = (adapter: AdapterOptions, options: FinetuneOptions = {}) =>
    finetune(base, task, tables, { engine, batchSize: 16, learningRate: 5e-3, adapter, ...options });

  it.each([
    { kind: "lora", rank: 4, dropout: 0.1 },
    { kind: "houlsby", size: 8 },
  ] as const)(
    "$kind learns, moves no weight of the model, and is saved apart (bug: the model moves, or decays)",
    async (adapter) => {
      const finetuned = await run(adapter, { numEpochs: 4 });
      expect(finetuned.evaluation!.accuracy).toBeGreaterThan(0.9);
      for (const [name, data] of pretrained.weights) {
        if (name.startsWith("encoder.") && !name.startsWith("encoder.pooler.")) {
          expect(finetuned.weights.get(name), name).toEqual(data);
        }
      }
      const own = [...finetuned.weights].filter(([name]) => /dapter\./.test(name));
      expect(own.length).toBeGreaterThan(0);
      for (const [name, data] of own)
        expect(
          data.some((value) => value !== 0),
          name,
        ).toBe(true);
      const folder = join(root, adapter.kind);
      await finetuned.save(folder);
      const files = await readdir(folder);
      expect(files).toContain("adapter_model.safetensors");
      expect(files).not.toContain("model.safetensors");
      const again = await evaluate(await loadClassifier(folder), tables.eval, { engine });
      expect(again.confusion).toEqual(finetuned.evaluation!.confusion);
      expect(again.loss).toBeCloseTo(finetuned.evaluation!.loss, 5);
      if (adapter.kind !== "lora") return;
      const outputDir = join(root, "merged");
      await mergeAdapter(folder, { outputDir });
      const merged = await evaluate(await loadClassifier(outputDir), tables.eval, { engine });
      expect(merged.loss).toBeCloseTo(finetuned.evaluation!.loss, 5);
    },
  );

  it("takes less memory than training all (bug: gradients and moments of what stands still)", async () => {
    const parameterBytes = async (options: FinetuneOptions): Promise<number> => {
      const told: string[] = [];
      const listener = (event: TrainEvent) => {
        if (event.kind === "notice") told.push(event.message);
      };
      const wide = bert({ ...config, hiddenSize: 128, intermediateSize: 512 }, { seed: 1 });
      await finetune(wide, task, tables, { engine, batchSize: 16, maxSteps: 1, listener, ...options });
      const [, amount, unit] = /peak: ([\d.]+) (MB|GB) weights/.exec(told.join("\n"))!;
      return Number(amount) * (unit === "GB" ? 1e9 : 1e6);
    };
    const full = await parameterBytes({});
    const lora = await parameterBytes({ adapter: { kind: "lora", rank: 2 } });
    expect(lora).toBeLessThan(0.4 * full);
  });

  it("goes on from its checkpoint, and not from that of another adapter (bug: strength and dropout no part of the run's name)", async () => {
    const outputDir = join(root, "run");
    const whole = await run({ kind: "lora", rank: 2 }, { maxSteps: 6, checkpointSteps: 3 });
    await run({ kind: "lora", rank: 2 }, { maxSteps: 6, checkpointSteps: 3, outputDir });
    const resumed = await run({ kind: "lora", rank: 2 }, { maxSteps: 6, checkpointSteps: 3, outputDir });
    expect(resumed.weights).toEqual(whole.weights);
    await expect(
      run({ kind: "lora", rank: 2, alpha: 4 }, { maxSteps: 6, checkpointSteps: 3, outputDir }),
    ).rejects.toThrow(expect.objectContaining({ code: "RUN_MISMATCH" }));
  });

  it("gives the same in two lanes and with layers computed again, dropout of its own included (bug: masks of A's input that are not divided with the batch)", async () => {
    const two = await openEngine({ threads: 2 });
    try {
      const adapter = { kind: "lora", rank: 2, dropout: 0.2, targets: ["query", "attentionOutput", "output"] } as const;
      const one = await run(adapter, { engine: two, maxSteps: 3, lanes: 1 });
      for (const options of [{ lanes: 2 }, { lanes: 1, recomputeLayers: true }] as const) {
        const { weights } = await run(adapter, { engine: two, maxSteps: 3, ...options });
        for (const [name, data] of one.weights) {
          const other = weights.get(name)!;
          const difference = data.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
          expect(difference, name).toBeLessThan(1e-4);
        }
      }
    } finally {
      await two.dispose();
    }
  });

  it("refuses what cannot be, with everything else (bug: found after the data are read)", async () => {
    await expect(run({ kind: "lora", rank: 0 }, { batchSize: 0 })).rejects.toThrow(
      /adapter\.rank.*batchSize|batchSize.*adapter\.rank/s,
    );
    await expect(run({ kind: "lora", targets: ["qkv"] })).rejects.toThrow(/ADAPTER_TARGET/);
    await expect(run({ kind: "lora" }, { fromScratch: true })).rejects.toThrow(/ADAPTER_FROM_SCRATCH/);
    const folder = join(root, "again");
    await (await run({ kind: "lora" }, { maxSteps: 1 })).save(folder);
    const again = finetune(folder, task, tables, { engine, maxSteps: 1, adapter: { kind: "lora" } });
    await expect(again).rejects.toThrow(/ADAPTER_OF_ADAPTER/);
  });
});
