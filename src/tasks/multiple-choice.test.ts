import { describe, expect, test } from "vitest";
import { engines } from "../../tests/support/backends.ts";
import { measureLoss, randomWeights } from "../../tests/support/random-model.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bertFamily } from "../models/bert/family.ts";
import { bertFraming } from "../models/framing.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { askedOf, choiceTexts, readChoices } from "./choice-data.ts";
import { choiceResult, choiceScores } from "./choice-evaluation.ts";
import { type MultipleChoiceOptions, multipleChoice } from "./multiple-choice.ts";
import { testTable, testTokenizer } from "./testing.ts";
import { TextClassifierProgram } from "./text-classifier-program.ts";

const tokenizer = testTokenizer();
const task = (options: Partial<MultipleChoiceOptions> = {}) =>
  multipleChoice({ tokenizer, maxSeqLength: 12, ...options });

/** Questions with two to four options. */
const rows = [
  { question: "the film", options: ["good", "bad"], label: 1 },
  { question: "a very good book", options: ["so fine", "poor", "the plot", "bad cast"], label: "C" },
  { question: "so", options: ["a", "the", "very bad film"], label: "very bad film" },
];

describe("texts of a question", () => {
  test("option behind the question, in its blank, or the question behind a context", () => {
    const options = ["$& x", "y"];
    expect(choiceTexts({ question: "who", options })).toEqual([
      ["who", "$& x"],
      ["who", "y"],
    ]);
    const context = "text";
    expect(choiceTexts({ context, question: "she", options })[1]).toEqual(["text", "she y"]);
    expect(choiceTexts({ context, question: "is __ here?", options })[0]).toEqual(["text", "is $& x here?"]);
    expect(choiceTexts({ context, question: "", options })[1]).toEqual(["text", "y"]);
  });

  test("options in columns of their own; empty ones at the end are none", () => {
    const columns = {
      contextColumn: "sent1",
      questionColumn: "sent2",
      optionColumns: ["ending0", "ending1", "ending2"],
    };
    const fields = { sent1: "s", sent2: "q", ending0: "a", ending1: "b", ending2: "" };
    expect(askedOf({ fields, line: 1 }, columns, "f")).toEqual({ context: "s", question: "q", options: ["a", "b"] });
    const gap = { fields: { ...fields, ending1: " ", ending2: "c" }, line: 4 };
    expect(() => askedOf(gap, columns, "f")).toThrow("line 4: option 1 is empty");
  });
});

test("labels are numbers, letters or texts (bug: letters of options by the alphabet of the data)", async () => {
  const data = await task().read(testTable("t", rows));
  expect(data.examples.map(({ label, options }) => [label, options.length])).toEqual([
    [1, 2],
    [2, 4],
    [2, 3],
  ]);
  const fromOne = await task({ firstLabel: 1 }).read(testTable("t", [{ ...rows[0], label: 1 }]));
  expect(fromOne.examples[0]!.label).toBe(0);
});

test.each([
  ["LABEL_UNKNOWN", { ...rows[0], label: 2 }, /"2" names none of the 2 options; it must be 0 to 1/],
  ["LABEL_UNKNOWN", { ...rows[0], label: "D" }, /"D" names none/],
  ["LABEL_MISSING", { ...rows[0], label: null }, /no label/],
  ["OPTIONS_TOO_FEW", { ...rows[0], options: ["good"] }, /two options at least; got 1/],
  ["CELL_NOT_LIST", { ...rows[0], options: "good" }, /must hold a list of texts; got "good"/],
  ["TEXT_EMPTY", { ...rows[0], options: ["good", " "] }, /option 1 is empty/],
  ["TEXT_EMPTY", { ...rows[0], question: " " }, /column question is empty/],
  ["COLUMN_UNKNOWN", { options: ["a", "b"], label: 0 }, /no column "question"/],
])("refuses with %s", async (code, row, message) => {
  const table = testTable("t", [rows[0]!, row as never]);
  const reading = { ...task().settings, framing: bertFraming };
  await expect(readChoices(table, reading)).rejects.toMatchObject({ code });
  await expect(readChoices(table, reading)).rejects.toThrow(message);
});

test("options that cannot be are refused together", () => {
  expect(() => task({ maxSeqLength: 3, firstLabel: -1, questionColumn: "label", optionColumns: [] })).toThrow(
    /maxSeqLength[\s\S]*firstLabel[\s\S]*optionColumns[\s\S]*labelColumn: must not be the column of questionColumn/,
  );
});

for (const { title, open, tolerance, missing } of engines.filter(({ name }) => name !== "onednn"))
  describe.skipIf(missing !== undefined)(`on ${title}`, () => {
    const config = bertConfig({
      ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2 },
      ...{ intermediateSize: 32, maxPositionEmbeddings: 16, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
    });
    const module = bertFamily.multipleChoice(config);

    test("the loss is that of each question alone, whatever the rows and the others' options (bug: a softmax over absent options)", async () => {
      const backend = await open();
      const packed = task();
      const { examples } = await packed.read(testTable("t", rows));
      const drawn = examples.map((example, item) => ({ example, epoch: 0, item }));
      const batches = [packed.collate(drawn, 0), task({ packed: false }).collate(drawn, 0)];
      expect(batches[0]!.tensors.optionTexts!.shape[1]).toBe(4);
      const losses = [];
      for (const batch of batches) losses.push((await measureLoss(backend, module, packed.loss, [batch])).loss);
      const store = new FixedWeights(backend, module, randomWeights(module));
      const place = { backend, store, model: module, batchSize: 4, maxSeqLength: 12, padId: tokenizer.special.pad };
      const program = new TextClassifierProgram(place);
      const result = choiceResult(examples, await choiceScores(program, examples));
      expect(Math.abs(losses[0]! - result.loss)).toBeLessThan(10 * tolerance);
      expect(Math.abs(losses[1]! - result.loss)).toBeLessThan(10 * tolerance);
      expect([result.numQuestions, result.chance]).toEqual([3, (1 / 2 + 1 / 4 + 1 / 3) / 3]);
      await program.dispose();
      store.dispose();
      await backend.dispose();
    });
  });
