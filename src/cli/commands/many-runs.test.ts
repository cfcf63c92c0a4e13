import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { runCommand as run } from "../../../tests/support/run-command.ts";
import { saveModel } from "../../api/model.ts";
import { Random } from "../../base/random.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bert } from "../../models/bert/family.ts";
import { testTokenizer } from "../../tasks/testing.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 64 },
  maxPositionEmbeddings: 32,
  ...{ hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
});
const folder = mkdtempSync(join(tmpdir(), "firth-many-runs-"));
const at = (name: string): string => join(folder, name);

function tableText(count: number, seed: number): string {
  const random = new Random(seed, "rows");
  const row = (i: number): string => {
    const isGood = i % 3 !== 0;
    return `${isGood ? "good" : "bad"} ${["film", "book", "plot"][random.nextInt(3)]}\t${isGood ? "pos" : "neg"}`;
  };
  return `text\tlabel\n${Array.from({ length: count }, (_, i) => row(i)).join("\n")}\n`;
}

beforeAll(async () => {
  await saveModel(at("model"), { ...bert(config, { seed: 5 }), tokenizer });
  writeFileSync(at("train.tsv"), tableText(60, 1));
  writeFileSync(at("dev.tsv"), tableText(30, 2));
  const recipe = (evalFile: string): string =>
    `kind: finetune\noutputDir: ${at("run")}\nmodel: ${at("model")}\ntask: { textColumns: text, labelColumn: label, maxSeqLength: 12 }\n` +
    `data: { train: ${at("train.tsv")}, eval: ${evalFile} }\ntrain: { batchSize: 16, numEpochs: 10, learningRate: 0.01, selectBest: true }\nengine: { threads: 1 }\n`;
  writeFileSync(at("recipe.yaml"), recipe(at("dev.tsv")));
  writeFileSync(at("no-eval.yaml"), recipe("null"));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

const rowsIn = (path: string): Record<string, unknown>[] =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("single runs", () => {
  test("tell what they predicted, and where they are wrong; two of them are compared (bug: rows of other weights)", async () => {
    const { out, error } = await run("finetune", at("recipe.yaml"), "--output-dir", at("good"), "--json");
    const { runs } = JSON.parse(out) as { runs: { evaluation: { accuracy: number } }[] };
    const rows = rowsIn(at("good/predictions.jsonl"));
    expect(rows, error).toHaveLength(30);
    const accuracy = rows.filter(({ label, prediction }) => label === prediction).length / 30;
    expect(accuracy).toBeCloseTo(runs[0]!.evaluation.accuracy, 12);
    const page = readFileSync(at("good/errors.html"), "utf8");
    expect(page).toContain("Calibration");
    expect(page).toMatch(
      /Checkpoint selection: the weights with the best accuracy on held-out data, those of step \d+ of 38/,
    );
    await run("finetune", at("recipe.yaml"), "--output-dir", at("poor"), "--set", "train.learningRate=0");
    const compared = await run("compare", at("poor"), at("good"), "--resamples", "300", "--json");
    expect(JSON.parse(compared.out)).toMatchObject({ figure: "accuracy", numRows: 30, better: "second" });
    const shown = await run("compare", at("poor"), at("good"), "--resamples", "300", "--figure", "macroF1");
    expect(shown.out).toContain("is better: the interval of the difference leaves 0 out");
    const bare = await run("finetune", at("recipe.yaml"), "--output-dir", at("bare"), "--no-predictions");
    expect(existsSync(at("bare/predictions.jsonl")), bare.error).toBe(false);
    const missing = await run("compare", at("bare"), at("good"));
    expect(missing.error).toMatch(/bare: has no predictions\.jsonl.*--no-predictions/);
  });

  test("evaluate writes the same rows and page (bug: columns of the recipe forgotten)", async () => {
    const args = [
      "--data",
      at("dev.tsv"),
      "--predictions",
      at("rows.jsonl"),
      "--report",
      at("page.html"),
      "--threads",
      "1",
    ];
    const { error } = await run("evaluate", at("good/model"), ...args);
    const said = (path: string) =>
      rowsIn(path).map(({ line, texts, label, prediction }) => ({ line, texts, label, prediction }));
    expect(said(at("rows.jsonl")), error).toEqual(said(at("good/predictions.jsonl")));
    expect(readFileSync(at("page.html"), "utf8")).toContain("Class by class");
  });

  test("evaluate looks first whether its files can be written (bug: figures, and then an error about the page)", async () => {
    writeFileSync(at("a-file"), "");
    const page = await run("evaluate", at("good/model"), "--data", at("dev.tsv"), "--report", at("a-file/page.html"));
    expect(page).toMatchObject({ out: "", error: expect.stringContaining("NOT_WRITABLE") });
    const rows = await run("evaluate", at("good/model"), "--data", at("dev.tsv"), "--predictions", folder);
    expect(rows).toMatchObject({
      out: "",
      error: expect.stringContaining("is a folder, where a file is to be written"),
    });
  });

  test("predict writes CSV and text, and keeps the fields (bug: commas and quotes that break a row)", async () => {
    writeFileSync(
      at("in.jsonl"),
      `${JSON.stringify({ id: 'a,"b"', text: "good film" })}\n${JSON.stringify({ id: 2, text: "bad film" })}\n`,
    );
    const args = ["predict", at("good/model"), "--data", at("in.jsonl"), "--threads", "1"];
    const csv = await run(...args, "--output", at("out.csv"));
    const lines = readFileSync(at("out.csv"), "utf8").split("\n");
    expect(lines[0], csv.error).toBe("id,text,prediction,probabilities");
    expect(lines[1]).toMatch(/^"a,""b""",good film,pos,"\{""neg"":0\.\d+,""pos"":0\.\d+\}"$/);
    expect((await run(...args, "--output-format", "text")).out).toBe("pos\nneg\n");
    writeFileSync(at("in.txt"), "bad film\n\ngood film\n");
    const text = await run("predict", at("good/model"), "--data", at("in.txt"), "--threads", "1", "--as", "mood");
    expect(
      text.out
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { text: "bad film", mood: "neg", moodProbabilities: { neg: expect.any(Number) } },
      { text: "good film", mood: "pos" },
    ]);
    writeFileSync(at("bad.jsonl"), '{"text": "a film"}\n{"text": \n');
    const bad = await run("predict", at("good/model"), "--data", at("bad.jsonl"), "--output", at("never.jsonl"));
    expect(bad.error).toMatch(/bad\.jsonl: line 2: not valid JSON/);
    expect(existsSync(at("never.jsonl"))).toBe(false);
    const wrong = await run("predict", at("good/model"), "--data", at("in.txt"), "--num-beams", "2");
    expect(wrong.error).toMatch(/numBeams: is for models that write/);
  });
});

describe("many runs", () => {
  test("folds test every row once, and go on (bug: a fold that is trained on)", async () => {
    const args = ["finetune", at("no-eval.yaml"), "--folds", "3", "--output-dir", at("folds"), "--json"];
    const { out, error } = await run(...args);
    const result = JSON.parse(out) as {
      runs: object[];
      figures: { accuracy: { mean: number; count: number } };
      division: string;
    };
    expect(result.runs, error).toHaveLength(3);
    expect(result.figures.accuracy.count).toBe(3);
    expect(result.figures.accuracy.mean).toBeGreaterThan(0.8);
    expect(result.division).toContain("weights were chosen on 10 % of each fold's training part");
    const tested = [1, 2, 3].flatMap((fold) => rowsIn(at(`folds/fold-${fold}-seed-1/predictions.jsonl`)));
    expect(tested.map(({ line }) => line as number).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, i) => i + 2),
    );
    expect(readFileSync(at("folds/report.html"), "utf8")).toContain("every class spread evenly");
    const again = await run(...args);
    expect(JSON.parse(again.out)).toMatchObject({ figures: result.figures });
    expect(again.error).not.toContain("Fold 1");
    const other = await run(...args, "--set", "train.learningRate=0.001");
    expect(other.error).toMatch(/holds other work: facts is/);
  });

  test("a learning curve has both starts and a baseline (bug: parts that lack a class)", async () => {
    const args = ["--learning-curve", "5%,100%", "--output-dir", at("curve"), "--json"];
    const { out, error } = await run("finetune", at("recipe.yaml"), ...args);
    const curve = JSON.parse(out) as {
      runs: { size: number; start: string; figures: { accuracy: number } }[];
      baseline: object;
    };
    expect(
      curve.runs.map(({ size, start }) => [size, start]),
      error,
    ).toEqual([
      [3, "pre-trained"],
      [3, "from scratch"],
      [60, "pre-trained"],
      [60, "from scratch"],
    ]);
    expect(curve.baseline).toMatchObject({ name: "commonest class", figures: { accuracy: 20 / 30 } });
    expect(curve.runs[2]!.figures.accuracy).toBeGreaterThan(20 / 30);
    expect(readFileSync(at("curve/curve.svg"), "utf8")).toContain("commonest class");
    const missing = await run("finetune", at("no-eval.yaml"), "--learning-curve", "50%");
    expect(missing.error).toMatch(/data\.eval: must be given/);
    const both = await run("finetune", at("recipe.yaml"), "--learning-curve", "50%", "--folds", "2");
    expect(both.error).toMatch(/--folds: cannot be given with --learning-curve/);
    // What trains nothing must not be taken for what trains many times.
    const told = await run("finetune", at("recipe.yaml"), "--explain", "--folds", "2", "--output-dir", at("told"));
    expect(told.error).toMatch(/--explain: cannot be given with --folds, which trains/);
    expect(existsSync(at("told"))).toBe(false);
  });

  test("a search tries settings, tells the best, and its recipe is a recipe (bug: the first setting everywhere)", async () => {
    const args = ["search", at("recipe.yaml"), "--try", "train.learningRate=[1e-6,0.01]", "--method", "grid"];
    const { out, error } = await run(...args, "--output-dir", at("search"), "--json");
    const found = JSON.parse(out) as {
      best: { settings: object };
      bestRecipe: string;
      model: string;
      trials: object[];
    };
    expect(found.best, error).toMatchObject({ number: 2, settings: { "train.learningRate": 0.01 } });
    expect(found.trials).toHaveLength(2);
    expect(existsSync(join(found.model, "config.json"))).toBe(true);
    expect(existsSync(at("search/trials/001/seed-1/model"))).toBe(false);
    expect(readFileSync(at("search/report.html"), "utf8")).toContain("highest mean accuracy");
    const again = await run(...args, "--output-dir", at("search"));
    expect(again.error).not.toContain("Trial 1,");
    expect(again.out).toContain("Best: trial 2");
    const best = await run("finetune", found.bestRecipe, "--json");
    const evaluation = (JSON.parse(best.out) as { runs: { evaluation: { accuracy: number } }[] }).runs[0]!.evaluation;
    expect(evaluation.accuracy).toBeGreaterThan(0.8);
  });

  test("a search by folds, with what the recipe's section says (bug: options that do not reach it)", async () => {
    const text = readFileSync(at("no-eval.yaml"), "utf8");
    writeFileSync(
      at("section.yaml"),
      `${text}search: { space: { train.learningRate: "logUniform(0.008, 0.012)" }, maxTrials: 9, folds: 2 }\n`,
    );
    const { out, error } = await run(
      "search",
      at("section.yaml"),
      "--max-trials",
      "2",
      "--output-dir",
      at("by-folds"),
      "--json",
    );
    const found = JSON.parse(out) as { trials: { runs: { fold: number }[] }[]; model: null; planned: number };
    expect(found.planned, error).toBe(2);
    expect(found.trials.map(({ runs }) => runs.map(({ fold }) => fold))).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(found.model).toBeNull();
    const single = await run("finetune", at("section.yaml"), "--output-dir", at("single"));
    expect(single.error).toContain("The section search is for firth search");
  });

  test.each([
    [["--try", "train.learningrate=[1]"], /learningrate: is not a setting/],
    [["--try", "train.learningRate=logUniform(0,1)"], /search\.space|train\.learningRate/],
    [["--try", "train.learningRate=often"], /search\.space\.train\.learningRate: must be a list of values/],
    [["--try", "train.batchSize=[0]"], /train\.batchSize: must be an integer ≥ 1/],
    [["--try", "seeds=[[1]]"], /search\.space\.seeds: cannot be searched/],
    [["--try", "train.learningRate=uniform(0.1,0.2)"], /maxTrials: must be given/],
    [[], /search\.space: must be given, or --try/],
  ])("wrong searches are told: %j", async (args, message) => {
    const { error } = await run("search", at("recipe.yaml"), "--output-dir", at("wrong"), ...args);
    expect(error).toMatch(message);
    expect(existsSync(at("wrong"))).toBe(false);
  });
});
