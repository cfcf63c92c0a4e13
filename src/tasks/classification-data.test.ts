import { describe, expect, it } from "vitest";
import { sortLabels } from "./label-name.ts";
import { testTable, testTokenizer } from "./testing.ts";
import { textClassification } from "./text-classification.ts";

const tokenizer = testTokenizer();
const task = textClassification({ tokenizer, maxSeqLength: 8 });

describe("reading labelled tables", () => {
  it("orders numbers by size and names by their characters (catches 10 before 9)", () => {
    expect(sortLabels(["10", "9", "1", "9"])).toEqual(["1", "9", "10"]);
    expect(sortLabels(["b", "10", "a"])).toEqual(["10", "a", "b"]);
  });

  it("finds labels, numbers them and counts what was cut and skipped", async () => {
    const data = await task.read(
      testTable("train", [
        { text: "good film", label: 10 },
        { text: "so very very very very very bad", label: "9" },
        { text: "a book", label: " 10 " },
      ]),
    );
    expect(data.labels).toEqual(["9", "10"]);
    expect(data.examples.map(({ label }) => label)).toEqual([1, 0, 1]);
    expect(data).toMatchObject({ numTruncated: 1, numSkipped: 0 });
    expect(data.examples[1]!.tokens).toHaveLength(8);
  });

  it("names classes without changing their order (catches names sorted anew, which would swap the classes of F1)", async () => {
    const labelNames = { 0: "not the same", 1: "equal" };
    const rows = [
      { text: "good", label: "1" },
      { text: "bad", label: "0" },
    ];
    const named = textClassification({ tokenizer, labelNames });
    const data = await named.read(testTable("train", rows));
    expect(data.labels).toEqual(["not the same", "equal"]);
    expect(data.examples.map(({ label }) => label)).toEqual([1, 0]);
    const again = await named.read(testTable("dev", rows), { labels: ["equal", "not the same"] });
    expect(again.examples.map(({ label }) => label)).toEqual([0, 1]);
    await expect(named.read(testTable("dev", [{ text: "a", label: 2 }]), { labels: data.labels })).rejects.toThrow(
      /the label "2" is not known; known are "not the same", "equal"/,
    );
  });

  it("leaves out rows whose label says that they have none", async () => {
    const skipping = textClassification({ tokenizer, skipLabels: ["-"] });
    const rows = [
      { text: "good", label: "y" },
      { text: "", label: "-" },
      { text: "bad", label: "n" },
    ];
    const data = await skipping.read(testTable("train", rows));
    expect(data).toMatchObject({ labels: ["n", "y"], numSkipped: 1 });
    expect(data.examples).toHaveLength(2);
    await expect(skipping.read(testTable("dev", [rows[1]!]))).rejects.toThrow(/dev: all 1 rows/);
  });

  it.each([
    ["LABEL_UNKNOWN", { text: "good", label: "maybe" }, /dev\.tsv: line 2: the label "maybe".*"no", "yes"/],
    ["LABEL_MISSING", { text: "good", label: " " }, /dev\.tsv: line 2: there is no label/],
    ["LABEL_MISSING", { text: "good", label: null }, /dev\.tsv: line 2: there is no label/],
    ["TEXT_EMPTY", { text: " ", label: "yes" }, /dev\.tsv: line 2: the text in column text is empty/],
    ["COLUMN_UNKNOWN", { texts: "good", label: "yes" }, /dev\.tsv: line 2: no column "text".*Did you mean "texts"/],
  ])("refuses with %s, naming file and line: %j", async (code, row, message) => {
    const table = testTable("dev.tsv", [{ text: "fine", label: "yes" }, row]);
    const failure = await task.read(table, { labels: ["no", "yes"] }).catch((error) => error);
    expect(failure).toMatchObject({ name: "DataError", code });
    expect(failure.message).toMatch(message);
  });

  it("refuses a table with one label only (catches the text column taken for the label)", async () => {
    await expect(task.read(testTable("t", [{ text: "good", label: "x" }]))).rejects.toMatchObject({
      code: "LABELS_TOO_FEW",
    });
  });

  it("reports all wrong options together", () => {
    const make = () =>
      textClassification({ tokenizer, maxSeqLength: 2, labels: ["a", "a"], textColumns: ["x", "y"], labelColumn: "y" });
    expect(make).toThrow(/3 problems.*maxSeqLength.*labelColumn.*labels/s);
  });
});

describe("batches", () => {
  it("gives surplus places no label (catches padding that is scored as class 0)", async () => {
    const data = await task.read(
      testTable(
        "t",
        ["a", "b", "a"].map((label) => ({ text: "good film", label })),
      ),
    );
    const batch = task.collate(
      data.examples.map((example, item) => ({ example, epoch: 0, item })),
      0,
    );
    expect([...batch.tensors.labels!.data]).toEqual([0, 1, 0, -100]);
    expect(batch.counts).toEqual({ sequences: 3 });
    // Three texts of four tokens stand in one row of eight and another; there is room for four.
    expect([...batch.tensors.firstTokens!.data].slice(0, 3)).toEqual([0, 4, 8]);
  });

  it("marks the second text and its [SEP] as segment 1 (catches a border one off, which the model would learn around)", async () => {
    const pairs = textClassification({ tokenizer, maxSeqLength: 8, textColumns: ["text", "other"] });
    const rows = ["a", "b"].map((label) => ({ text: "good film", other: "bad", label }));
    const { examples } = await pairs.read(testTable("t", rows));
    const { tensors } = pairs.collate([{ example: examples[0]!, epoch: 0, item: 0 }], 0);
    expect([...tensors.tokenTypeIds!.data]).toEqual([0, 0, 0, 0, 1, 1, 0, 0]);
    expect([...tensors.sequenceIds!.data]).toEqual([1, 1, 1, 1, 1, 1, 0, 0]);
    expect([...tensors.positionIds!.data]).toEqual([0, 1, 2, 3, 4, 5, 0, 0]);
  });
});
