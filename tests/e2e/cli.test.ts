/** The command line as users run it: the built program, in a folder of its own, on tiny data. */
import { cpSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Workplace } from "./workplace.ts";

let place: Workplace;

beforeAll(() => {
  place = Workplace.open();
}, 300_000);
afterAll(() => place.close());

const read = (path: string): Buffer => readFileSync(join(place.folder, path));

describe("from text to an answer", () => {
  test("tokenizer train, inspect (would catch options that do not reach the trainer)", () => {
    const made = place.json("tokenizer", "train", "-i", "text.txt", "-o", "tokenizer", "--vocab-size", "90", "--cased");
    expect(made).toMatchObject({ folder: "tokenizer", vocabSize: 90 });
    const seen = place.json("tokenizer", "inspect", "tokenizer", "--text", "The cat");
    expect(seen).toMatchObject({ vocabSize: 90, samples: [{ tokens: ["The", "cat"] }] });
  });

  test("tokenizer train of other kinds (would catch a kind or preset that does not reach the trainer)", () => {
    const train = (name: string, ...rest: string[]): unknown =>
      place.json("tokenizer", "train", "-i", "text.txt", "-o", name, ...rest);
    const tokens = (name: string): unknown => place.json("tokenizer", "inspect", name, "--text", "The cat").samples;
    expect(train("bytes", "--preset", "roberta", "--vocab-size", "290")).toMatchObject({ vocabSize: 290 });
    expect(tokens("bytes")).toMatchObject([{ tokens: ["The", "\u0120cat"] }]);
    expect(train("likely", "--kind", "unigram", "--vocab-size", "60")).toMatchObject({ folder: "likely" });
    expect(tokens("likely")).toMatchObject([{ tokens: ["\u2581t", "h", "e", "\u2581cat"] }]);
    const files = readdirSync(join(place.folder, "bytes"));
    expect(files).toEqual(expect.arrayContaining(["merges.txt", "tokenizer.json", "vocab.json"]));
  });

  test("data prepare, inspect (would catch counts that differ from what is stored)", () => {
    const made = place.json("data", "prepare", "-i", "text.txt", "-t", "tokenizer", "-o", "corpus");
    expect(made).toMatchObject({ numDocuments: 60, numSentences: 241, numShards: 1 });
    const seen = place.json("data", "inspect", "corpus");
    expect(seen.numTokens).toBe(made.numTokens);
    expect(made.tokensPerSecond).toBeGreaterThan(0);
    expect(made.peakRssBytes).toBeGreaterThan(1e7);
  });

  test("data prepare on two threads: interrupted, it leaves nothing (would catch threads that go on writing)", async () => {
    writeFileSync(join(place.folder, "big.txt"), "the cat sat on the mat .\nthe dog ran .\n\n".repeat(1_000_000));
    const before = readdirSync(place.folder);
    const args = ["-i", "big.txt", "-t", "tokenizer", "-o", "stopped", "--sentences", "line", "--threads", "2"];
    const ended = await place.interrupt(/tokens/, "SIGINT", "data", "prepare", ...args);
    expect(ended.status).toBe(130);
    expect(ended.stderr).toContain("INTERRUPTED");
    expect(readdirSync(place.folder)).toEqual(before);
  });

  test("pretrain: interrupted and resumed equals uninterrupted, bit for bit (would catch any state left out)", async () => {
    const whole = place.json("pretrain", "pretrain.yaml", "--output-dir", "whole");
    expect(whole).toMatchObject({ reason: "finished", steps: 150, model: "whole/model" });
    expect(whole.evalLoss).toBeLessThan(Math.log(90));
    const broken = await place.interrupt(/evaluation/, "SIGINT", "pretrain", "pretrain.yaml", "--output-dir", "broken");
    expect(broken.status).toBe(130);
    const { checkpoints, latest } = place.json<{ checkpoints: number[]; latest: object }>("info", "broken");
    const [step] = checkpoints;
    expect(step).toBeLessThan(150);
    expect(latest).toMatchObject({ step });
    expect(place.json("pretrain", "pretrain.yaml", "--output-dir", "broken")).toMatchObject({ reason: "finished" });
    expect(read("broken/model/model.safetensors").equals(read("whole/model/model.safetensors"))).toBe(true);
    expect(read("broken/metrics.jsonl").equals(read("whole/metrics.jsonl"))).toBe(true);
  });

  test("a second signal exits at once and leaves a whole checkpoint (would catch a half-written one)", async () => {
    const args = ["pretrain", "pretrain.yaml", "--output-dir", "twice", "--set", "train.maxSteps=5000"];
    const ended = await place.interrupt(/checkpoint/, "SIGTERM", ...args);
    expect(ended.status).toBe(143);
    const again = await place.interrupt(/checkpoint/, "SIGTERM twice", ...args);
    expect(again.status).toBe(143);
    expect(place.json("info", "twice")).toMatchObject({ broken: [] });
    expect(place.json("info", "twice").latest).toBeTruthy();
  });

  test("a resolved recipe is a recipe, and another run is refused (would catch silent mixing of runs)", () => {
    const again = place.json("pretrain", "whole/recipe.yaml");
    expect(again).toMatchObject({ outputDir: "whole", reason: "finished" });
    const other = place.run("pretrain", "whole/recipe.yaml", "--set", "train.learningRate=1e-5");
    expect(other.status).toBe(1);
    expect(other.stderr).toContain("train.learningRate is 0.01 there and 0.00001 here");
  });

  test("a prepared corpus in place of text (would catch a corpus path that is read as text)", () => {
    const made = place.json(
      ...["pretrain", "pretrain.yaml", "--output-dir", "prepared", "--set", "tokenizer=tokenizer"],
      ...["--set", "data={corpus: corpus}", "--set", "train.maxSteps=2"],
    );
    expect(made).toMatchObject({ steps: 2, evalLoss: null });
    expect(existsSync(join(place.folder, "prepared", "corpus"))).toBe(false);
  });

  test("finetune, evaluate (would catch figures of other weights than those saved)", () => {
    const { runs } = place.json<{ runs: { evaluation: { accuracy: number } }[] }>("finetune", "finetune.yaml");
    expect(runs[0]!.evaluation.accuracy).toBeGreaterThan(0.9);
    const seen = place.json("evaluate", "classifier/model", "--data", "dev.tsv");
    expect(seen.accuracy).toBe(runs[0]!.evaluation.accuracy);
    expect(seen.labels).toEqual(["neg", "pos"]);
  });

  test("pretrain an encoder–decoder, finetune it to write, generate (would catch settings of one kind of task in another)", () => {
    const set = (...settings: string[]): string[] => settings.flatMap((setting) => ["--set", setting]);
    const changed = set(
      "model.family=bart",
      "objective.name=denoising",
      "tokenizer.train.vocabSize=290",
      "train.maxSteps=8",
    );
    expect(place.json("pretrain", "pretrain.yaml", "--output-dir", "bart", ...changed)).toMatchObject({ steps: 8 });
    const lines = ["the cat sleeps", "the dog runs", "a big house", "the old tree"];
    writeFileSync(join(place.folder, "one.txt"), `${lines.join("\n")}\n`);
    writeFileSync(join(place.folder, "other.txt"), `${lines.map((line) => line.toUpperCase()).join("\n")}\n`);
    const recipe = `kind: finetune
outputDir: writer
model: bart/model
task: { name: sequenceToSequence, maxSourceLength: 24, maxTargetLength: 24, labelSmoothing: 0.1 }
data: { train: one.txt, trainTarget: other.txt, eval: one.txt, evalTarget: other.txt }
train: { maxSteps: 6, batchSize: 4 }
generation: { numWritten: 3, maxNewTokens: 5 }
`;
    writeFileSync(join(place.folder, "writing.yaml"), recipe);
    const { figures } = place.json<{ figures: Record<string, { mean: number }> }>("finetune", "writing.yaml");
    expect(Object.keys(figures)).toEqual(expect.arrayContaining(["loss", "perplexity", "bleu", "rougeL"]));
    expect(figures.perplexity!.mean).toBeCloseTo(Math.exp(figures.loss!.mean), 6);
    const written = read("writer/written.jsonl").toString().trim().split("\n");
    expect(written.map((line) => JSON.parse(line).target)).toEqual(["THE CAT SLEEPS", "THE DOG RUNS", "A BIG HOUSE"]);
    const texts = place.json("generate", "writer/model", "the cat sleeps", "--max-new-tokens", "5");
    expect(texts).toMatchObject([{ prompt: "the cat sleeps", texts: [{ text: expect.any(String) }] }]);
    // The same pairs by the model's folder: what was said in the end of training, and what it writes, is said again.
    const seen = place.json<
      Record<string, unknown> & { loss: number; bleu: object; rouge: object; numWritten: number }
    >(
      ...["evaluate", "writer/model", "--data", "one.txt", "--target-file", "other.txt", "--limit", "3"],
      // In training nothing was forced at the end; the folder's generation_config.json does.
      ...["--max-new-tokens", "5", "--forced-eos-token-id", "null", "--written", "again.jsonl"],
    );
    expect(seen.loss).toBeCloseTo(figures.loss!.mean, 5);
    expect(seen).toMatchObject({ numPairs: 4, numWritten: 3, chrf: { score: expect.any(Number) as number } });
    expect(read("again.jsonl")).toEqual(read("writer/written.jsonl"));
    const table = lines.map((line) => JSON.stringify({ text: line, big: line.toUpperCase() })).join("\n");
    writeFileSync(join(place.folder, "pairs.jsonl"), `${table}\n`);
    const byColumn = ["evaluate", "writer/model", "--data", "pairs.jsonl", "--text", "text", "--target", "big"];
    expect(place.json(...byColumn, "--limit", "0")).toMatchObject({ loss: seen.loss, numWritten: 0 });
    expect(place.run("evaluate", "writer/model", "--data", "pairs.jsonl", "--limit", "0").stderr).toContain("source");
  });

  test("finetune from scratch over seeds goes to folders of its own (would catch seeds that overwrite each other)", () => {
    const args = ["--from-scratch", "--seeds", "1,2", "--set", "train.numEpochs=null", "--set", "train.maxSteps=2"];
    const { outputDir, runs, figures } = place.json<{
      outputDir: string;
      runs: { model: string }[];
      figures: { accuracy: object };
    }>("finetune", "finetune.yaml", ...args);
    expect(outputDir).toBe("classifier-scratch");
    expect(runs.map(({ model }) => model)).toEqual([
      join("classifier-scratch", "seed-1", "model"),
      join("classifier-scratch", "seed-2", "model"),
    ]);
    expect(figures.accuracy).toMatchObject({ count: 2 });
  });

  test("predict keeps the fields of its input (would catch lost or reordered rows)", () => {
    const input = [
      { id: 7, sentence: "the good cat sleeps", more: [1, { x: null }] },
      { id: 8, sentence: "a bad dog" },
    ];
    const { stdout, status } = place.runWith(input.map((row) => JSON.stringify(row)).join("\n"), [
      ...["predict", "classifier/model", "--data", "-"],
    ]);
    expect(status).toBe(0);
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows).toMatchObject([
      { ...input[0], prediction: "pos" },
      { ...input[1], prediction: "neg" },
    ]);
    const shares = Object.values(rows[0]!.probabilities as Record<string, number>);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 6);
  });

  test("embed keeps the fields of its input and gives vectors of length 1 (would catch lost rows, options that do not arrive)", () => {
    const input = ["the good cat sleeps", "a bad dog", "the good cat sleeps"].map((sentence, id) => ({ id, sentence }));
    const run = (...args: string[]): Record<string, unknown>[] => {
      const lines = input.map((row) => JSON.stringify(row)).join("\n");
      const { stdout, status } = place.runWith(lines, [
        "embed",
        "whole/model",
        "--data",
        "-",
        "--text",
        "sentence",
        ...args,
      ]);
      expect(status).toBe(0);
      return stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    };
    const rows = run("--quantize", "int8");
    expect(rows).toMatchObject(input);
    const vectors = rows.map(({ embedding }) => embedding as number[]);
    expect(Math.hypot(...vectors[0]!)).toBeCloseTo(1, 4);
    vectors[0]!.forEach((x, i) => {
      expect(x).toBeCloseTo(vectors[2]![i]!, 2);
    });
    const plain = run("--no-normalize", "--pooling", "max", "--layer", "0", "--as", "vector");
    expect(Math.hypot(...(plain[0]!.vector as number[]))).toBeGreaterThan(1.5);
  });

  test("fill-mask, info (would catch candidates that are not sorted)", () => {
    const [filled] = place.json<{ masks: { probability: number }[][] }[]>(
      ...["fill-mask", "whole/model", "the [MASK] sleeps", "--top-k", "3"],
    );
    const shares = filled!.masks[0]!.map(({ probability }) => probability);
    expect(shares).toEqual(shares.toSorted((a, b) => b - a));
    expect(shares).toHaveLength(3);
    expect(place.json("info", "whole/model")).toMatchObject({ kind: "model", config: { model_type: "bert" } });
  });

  test("doctor finds everything in order (would catch a check that throws)", () => {
    const checks = place.json<{ name: string; status: string }[]>("doctor");
    expect(checks.filter(({ status }) => status === "fail")).toEqual([]);
    expect(checks.map(({ name }) => name)).toContain("Engine onnx");
  });

  test("bench train answers steps, then reports (would catch a protocol that the peers do not speak)", () => {
    const size = ["--model", "bert-tiny", "--vocab", "64", "--batch", "2", "--seq", "16", "--warmup", "1"];
    const { stdout, status } = place.runWith("step\nstep\n", ["bench", "train", ...size, "--interactive", "--json"]);
    expect(status).toBe(0);
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, number>);
    expect(lines.map((line) => Object.keys(line)[0])).toEqual(["ready", "stepMs", "stepMs", "model"]);
    expect(lines[3]).toMatchObject({ steps: 2, warmup: 1, allStepMs: [lines[1]!.stepMs, lines[2]!.stepMs] });
    expect(lines[3]!.fractionOfGemm).toBeGreaterThan(0);
  });
});

describe("bad input", () => {
  const prepare = (input: string, ...rest: string[]): string[] => [
    ...["data", "prepare", "-i", input, "-t", "tokenizer", "-o", "never", ...rest],
  ];
  const set = (...settings: string[]): string[] => settings.flatMap((setting) => ["--set", setting]);
  const pretrain = (...settings: string[]): string[] => [
    ...["pretrain", "pretrain.yaml", "--output-dir", "never", ...set(...settings)],
  ];
  const finetune = (...settings: string[]): string[] => [
    ...["finetune", "finetune.yaml", "--output-dir", "never", ...set(...settings)],
  ];

  beforeAll(() => {
    const at = (name: string): string => join(place.folder, name);
    writeFileSync(at("latin1.txt"), Buffer.from("first line\nna\xefve\n", "latin1"));
    writeFileSync(at("ragged.tsv"), "sentence\tlabel\na good cat\tpos\na bad dog\n");
    writeFileSync(at("other.tsv"), "sentence\tlabel\na good cat\tpos\na bad dog\tneutral\n");
    const damaged = (name: string, damage: (folder: string) => void): void => {
      cpSync(at("classifier/model"), at(name), { recursive: true });
      damage(at(name));
    };
    const weights = "model.safetensors";
    damaged("truncated", (folder) => truncateSync(join(folder, weights), 5000));
    damaged("lying", (folder) => {
      const bytes = readFileSync(join(folder, weights));
      bytes.writeBigUInt64LE(2n ** 40n, 0);
      writeFileSync(join(folder, weights), bytes);
    });
    damaged("misshapen", (folder) => {
      const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, intermediate_size: 48 }));
    });
    damaged("bare", (folder) => {
      const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, num_hidden_layers: 2 }));
    });
  });

  test.each<[what: string, code: string, says: string, args: () => string[]]>([
    ["missing file", "FILE_MISSING", "nothing.txt", () => prepare("nothing.txt")],
    ["empty file", "FILE_EMPTY", "empty.txt", () => prepare("empty.txt")],
    ["nothing left", "CORPUS_EMPTY", "text.txt", () => prepare("text.txt", "--min-document-tokens", "100000")],
    [
      "text that is not UTF-8",
      "TEXT_NOT_UTF8",
      "latin1.txt: text is not valid utf-8; line 2, byte 13",
      () => prepare("latin1.txt"),
    ],
    ["output folder that exists", "OUTPUT_EXISTS", "corpus", () => [...prepare("text.txt").slice(0, -1), "corpus"]],
    [
      "output folder that cannot be",
      "OUTPUT_UNWRITABLE",
      "text.txt/inside",
      () => [...prepare("text.txt").slice(0, -1), "text.txt/inside"],
    ],
    [
      "vocabulary below the alphabet",
      "TOKENIZER_VOCAB_TOO_SMALL",
      "got 9",
      () => ["tokenizer", "train", "-i", "text.txt", "-o", "never", "--vocab-size", "9"],
    ],
    [
      "rows longer than the positions",
      "SEQUENCE_TOO_LONG",
      "got 600 and 32",
      () => pretrain("objective.maxSeqLength=600"),
    ],
    ["tokenizer of another vocabulary", "VOCABULARY_MISMATCH", "vocabSize", () => pretrain("model.vocabSize=20")],
    [
      "corpus of another tokenizer",
      "TOKENIZER_MISMATCH",
      "corpus",
      () => pretrain("tokenizer=whole/tokenizer", "data={corpus: corpus}"),
    ],
    ["row with a cell too few", "COLUMN_COUNT", "ragged.tsv: line 3", () => finetune("data.train=ragged.tsv")],
    ["label that training has not", "LABEL_UNKNOWN", "other.tsv: line 3", () => finetune("data.eval=other.tsv")],
    ["unknown column", "COLUMN_UNKNOWN", 'Did you mean "sentence"', () => finetune("task.textColumns=sentense")],
    ["wrong kind of recipe", "CONFIG_KIND", "must be pretrain", () => ["pretrain", "finetune.yaml"]],
    ["truncated weights", "SAFETENSORS_TRUNCATED", "truncated", () => ["evaluate", "truncated", "-d", "dev.tsv"]],
    ["header that lies", "SAFETENSORS_", "lying", () => ["evaluate", "lying", "-d", "dev.tsv"]],
    ["tensors of other shapes", "WEIGHTS_MISMATCH", "48", () => ["evaluate", "misshapen", "-d", "dev.tsv"]],
    ["missing tensors", "WEIGHTS_MISMATCH", "layer.1", () => ["evaluate", "bare", "-d", "dev.tsv"]],
    ["a model without classes", "NOT_A_CLASSIFIER", "whole/model", () => ["evaluate", "whole/model", "-d", "dev.tsv"]],
    ["no blank", "NO_MASK", "[MASK]", () => ["fill-mask", "whole/model", "no blank here"]],
  ])("%s: %s", (_what, code, says, args) => {
    const { status, stdout, stderr } = place.run(...args(), "--json");
    expect(JSON.parse(stdout) as object).toMatchObject({ code: expect.stringContaining(code) as string });
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(status).toBe(1);
  });

  test("a command that a model is not for says what the model is, what is needed and which commands fit (bug: a tokenizer is blamed, or random numbers are shown)", () => {
    const changed = ["model.family=gpt2", "objective.name=causalLanguageModeling", "train.maxSteps=2"];
    const gpt = place.run(
      ...["pretrain", "pretrain.yaml", "--output-dir", "gpt", ...set(...changed, "tokenizer.train.vocabSize=290")],
    );
    expect(gpt.status, gpt.stderr).toBe(0);
    const data = ["--data", "dev.tsv"];
    const cases: readonly (readonly [args: readonly string[], code: string, ...says: string[]])[] = [
      [["fill-mask", "gpt/model", "a [MASK]"], "WRONG_MODEL", "writes from left to right (gpt2)", "Use firth generate"],
      [["perplexity", "whole/model", "text.txt"], "WRONG_MODEL", "fills in masked words (bert)", "Use firth fill-mask"],
      [["perplexity", "bart/model", "text.txt"], "WRONG_MODEL", "encoder–decoder", "needs one that writes from left"],
      [["generate", "classifier/model", "the"], "WRONG_MODEL", "gives texts a class", "Use firth predict"],
      [["fill-mask", "classifier/model", "a [MASK]"], "WRONG_MODEL", "gives texts a class", "Use firth predict"],
      [["predict", "gpt/model", ...data], "NOT_A_CLASSIFIER", "writes from left to right", "firth finetune"],
      [["predict", "whole/model", ...data], "NOT_A_CLASSIFIER", "fills in masked words", "firth fill-mask"],
      [["evaluate", "gpt/model", ...data], "NOT_A_CLASSIFIER", "firth perplexity"],
      [["evaluate", "classifier/model", ...data, "--target", "x", "--num-beams", "2"], "CONFIG_INVALID", "target"],
    ];
    for (const [args, code, ...says] of cases) {
      const { status, stdout, stderr } = place.run(...args, "--json");
      expect(JSON.parse(stdout), args.join(" ")).toMatchObject({ code });
      for (const words of says) expect(stderr, args.join(" ")).toContain(words);
      expect(status).toBe(1);
    }
  });

  test("what does not fit is told before the text is prepared, and before a vocabulary is learned where that is known (bug: an hour of preparation, then an error)", () => {
    const made = (name: string): boolean => existsSync(join(place.folder, "unfit", name));
    const unfit = (...settings: string[]) =>
      place.run("pretrain", "pretrain.yaml", "--output-dir", "unfit", ...set(...settings));
    expect(unfit("model={from: whole/model}", "objective.maxSeqLength=64").stderr).toContain("got 64 and 32");
    expect([made("tokenizer"), made("corpus")]).toEqual([false, false]);
    expect(unfit("model.vocabSize=20").stderr).toContain("must be at least the tokenizer's; got 20");
    expect([made("tokenizer"), made("corpus")]).toEqual([true, false]);
  });

  test("all problems of a recipe at once, with the nearest names (would catch a check that stops early)", () => {
    const { status, stderr } = place.run(
      ...pretrain("trian=1", "train.learningRat=1", "train.batchSize=0", "model.preset=minni"),
      ...set("model.hiddenSize=30", "objective.unit=words", "data.encodding=latin1", "outputDir=unborn"),
    );
    expect(status).toBe(1);
    for (const path of [
      "trian: is not a setting. Did you mean train?",
      "train.learningRat: is not a setting. Did you mean learningRate?",
      "train.batchSize: must be an integer ≥ 1; got 0.",
      "model.preset",
      "Use mini",
      "objective.unit",
      "data.encodding: is not a setting. Did you mean encoding?",
    ]) {
      expect(stderr).toContain(path);
    }
    expect(existsSync(join(place.folder, "unborn"))).toBe(false);
  });

  test("wrong words end with 2, help with 0, and --debug shows the stack", () => {
    expect(place.run("pretrane").status).toBe(2);
    expect(place.run("tokenizer", "train", "-i", "text.txt", "-o", "x", "--vocabsize", "3").stderr).toContain(
      "Did you mean --vocab-size?",
    );
    expect(place.run("pretrain", "--help")).toMatchObject({ status: 0 });
    expect(place.run("info", "nothing", "--debug").stderr).toMatch(/^\s+at /m);
  });
});
