import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  memoryTable,
  pairedModel,
  pairedRows,
  pairedTokenizer as tokenizer,
} from "../../tests/support/paired-words.ts";
import type { Backend } from "../backend/backend.ts";
import type { Weights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import { retrieval } from "../tasks/retrieval.ts";
import {
  auxiliaryLanguageModeling,
  discriminativeRates,
  gradualUnfreezing,
  languageTuningFirst,
  sequentialUnfreezing,
  siatl,
  slantedTriangular,
  ulmfit,
} from "../transfer/strategy.ts";
import { embed } from "./embed.ts";
import { explainTransfer } from "./explain-transfer.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { finetuneRetrieval } from "./finetune-retrieval.ts";
import { loadPretrained } from "./load.ts";

const train = memoryTable("train", pairedRows(200, 1));
const held = memoryTable("held", pairedRows(30, 2));
const common = { tokenizer, maxSeqLength: 16, groupColumn: "topic" };
const task = retrieval(common);
const options = { batchSize: 20, learningRate: 3e-3, seed: 1 };

let engine: Backend;
let folder = "";
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  folder = await mkdtemp(join(tmpdir(), "firth-retrieval-strategy-"));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true, force: true });
});

const learn = (own: FinetuneOptions) =>
  finetuneRetrieval(pairedModel(), task, { train, eval: held }, { ...options, engine, ...own });

/** Names of the parameters whose numbers differ. */
function moved(before: Weights, after: Weights): string[] {
  return [...before].flatMap(([name, data]) => (data.every((x, i) => x === after.get(name)![i]) ? [] : [name]));
}

describe("strategies of finetuneRetrieval", () => {
  it("unfreezes from the top layer, which learns at the full rate (catches a first stage of the unused pooler)", async () => {
    const { stages, numStill } = await explainTransfer(learn, {
      ...{ numEpochs: 4, ...gradualUnfreezing(), ...discriminativeRates(2), ...slantedTriangular({ cut: 0.5 }) },
    });
    expect(stages.map(({ groups }) => groups.map(({ name }) => name))).toEqual([
      ["layer 1"],
      ["layer 0", "layer 1"],
      ["embeddings", "layer 0", "layer 1"],
    ]);
    const [embeddings, lower, top] = stages[2]!.groups.map(({ learningRate }) => learningRate.highest);
    expect(top! / lower!).toBeCloseTo(2, 6);
    expect(lower! / embeddings!).toBeCloseTo(2, 6);
    // The pooler is trained by nobody.
    expect(numStill).toBe(32 * 32 + 32);
    const model = await learn({ maxSteps: 5, ...gradualUnfreezing({ everySteps: 2 }) });
    expect(moved(pairedModel().weights, model.weights).some((name) => name.includes("embeddings"))).toBe(true);
    const early = await learn({ maxSteps: 2, freeze: ["embeddings", 0] });
    const names = moved(pairedModel().weights, early.weights);
    expect(names.length).toBeGreaterThan(8);
    expect(names.every((name) => name.startsWith("encoder.layers.1."))).toBe(true);
  });

  it("learns by ULMFiT, language first, and with an auxiliary loss (catches heads of language in the saved weights, texts learned once for each pair)", async () => {
    const told: string[] = [];
    const means = new Set<string>();
    const listener: FinetuneOptions["listener"] = (event) => {
      if (event.kind === "notice") told.push(event.message);
      if (event.kind === "step") for (const name of Object.keys(event.means)) means.add(name);
    };
    const tuned = await learn({ ...ulmfit(), numEpochs: 10, listener });
    expect(tuned.evaluation!.figures.mrr).toBeGreaterThan(0.8);
    const distinct = new Set(pairedRows(200, 1).flatMap(({ question, answer }) => [question, answer]));
    expect(told.join("\n")).toContain(`on ${distinct.size} texts of the task`);
    const joint = await learn({ maxSteps: 6, ...auxiliaryLanguageModeling({ weight: 0.5 }), listener });
    expect([...means]).toEqual(expect.arrayContaining(["retrieval", "mlm"]));
    expect([...joint.weights.keys()]).toEqual([...pairedModel().weights.keys()]);
  });

  it("learns with LoRA and with small networks, which their folders bring back (catches an adapter that is saved without its numbers)", async () => {
    const start = join(folder, "start");
    const plain = await learn({ maxSteps: 1, learningRate: 0 });
    await plain.save(start);
    const texts = ["ask1 the old", "say1 of my new"];
    for (const adapter of [
      { kind: "lora", rank: 4 },
      { kind: "pfeiffer", size: 8 },
    ] as const) {
      const made = await finetuneRetrieval(
        start,
        task,
        { train, eval: held },
        { ...options, maxSteps: 6, learningRate: 1e-2, adapter, engine },
      );
      expect(made.evaluation!.loss, adapter.kind).not.toBeCloseTo(plain.evaluation!.loss, 4);
      const names = moved(plain.weights, made.weights);
      expect(names, adapter.kind).toEqual([]);
      const out = join(folder, adapter.kind);
      await made.save(out);
      const [own, again] = [
        await embed(made, texts, { engine }),
        await embed(await loadPretrained(out), texts, { engine }),
      ];
      own.forEach((vector, i) => {
        vector.forEach((x, k) => {
          expect(again[i]![k]).toBeCloseTo(x, 4);
        });
      });
    }
  });

  it("names what is missing where strategies do not fit", async () => {
    const refused = async (own: FinetuneOptions): Promise<string[]> => {
      const error = await learn(own).catch((cause: unknown) => cause);
      return (error as { readonly issues: readonly { path: string; code: string }[] }).issues.map(
        ({ path, code }) => `${path} ${code}`,
      );
    };
    expect(await refused({ ...siatl(), numEpochs: 4 })).toEqual(["transfer.unfreezing.name MODEL_LACKS_PART"]);
    expect(await refused({ freeze: ["embeddings", "layers"] })).toEqual(["transfer.freeze NOTHING_TRAINED"]);
    expect(await refused({ freeze: ["pooler"] })).toEqual(["transfer.freeze.0 MODEL_LACKS_PART"]);
    expect(await refused({ ...gradualUnfreezing(), numEpochs: 2 })).toEqual([
      "transfer.unfreezing UNFREEZING_TOO_LONG",
    ]);
    expect(await refused({ adapter: { kind: "lora" }, ...auxiliaryLanguageModeling() })).toEqual([
      "auxiliary ADAPTER_AND_LANGUAGE",
    ]);
    // A folder for search has no heads of language any more.
    const bare = join(folder, "bare");
    await (await learn({ maxSteps: 1 })).save(bare);
    const failure = finetuneRetrieval(bare, task, { train }, { ...options, ...languageTuningFirst(), engine });
    await expect(failure).rejects.toMatchObject({ code: "MODEL_LACKS_PART" });
  });

  it("has a head to begin with where pairs have classes", async () => {
    const rows = pairedRows(60, 5).map((row, i, all) => {
      const isSame = i % 2 === 0;
      return {
        ...row,
        answer: isSame ? row.answer : all[(i + 3) % all.length]!.answer,
        label: isSame ? "same" : "other",
      };
    });
    const classes = retrieval({ tokenizer, maxSeqLength: 16, loss: "classification" });
    const run = (own: FinetuneOptions) =>
      finetuneRetrieval(
        pairedModel(),
        classes,
        { train: memoryTable("classes", rows) },
        { ...options, ...own, engine },
      );
    const { stages } = await explainTransfer(run, { ...sequentialUnfreezing(), numEpochs: 3 });
    expect(stages.map(({ groups }) => groups.map(({ name }) => name))).toEqual([
      ["head"],
      ["layers 0–1, head"],
      ["embeddings, layers 0–1, head"],
    ]);
    const frozen = await run({ maxSteps: 2, freeze: "encoder" });
    expect(moved(pairedModel().weights, frozen.weights)).toEqual([]);
  });
});
