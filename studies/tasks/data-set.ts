/** @file The data sets of the study as items: what is held out is the set's own part, or every so manieth item. */
import { csv } from "../../src/index.ts";
import type { DataParts, ReadData } from "./case.ts";
import { type AskedText, cellsOf, heldEvery, heldGroups, linesOf } from "./part.ts";

/** A text, or two, and its class or number. */
export type LabelRow = Readonly<Record<string, string>>;

/** Rows without an empty cell: a few files have some. */
const whole = (rows: readonly LabelRow[]): LabelRow[] =>
  rows.filter((row) => Object.values(row).every((cell) => cell !== ""));

/** A table without header whose columns are numbered from 0. */
async function bareTable(read: ReadData, file: string, columns: Readonly<Record<string, number>>): Promise<LabelRow[]> {
  const names = Object.entries(columns);
  const cells = cellsOf(await read(file));
  return whole(cells.map((row) => Object.fromEntries(names.map(([name, at]) => [name, (row[at] ?? "").trim()]))));
}

/** A table with a header; `columns` renames those that are kept. */
async function namedTable(
  read: ReadData,
  file: string,
  columns: Readonly<Record<string, string>>,
): Promise<LabelRow[]> {
  const [header = [], ...cells] = cellsOf(await read(file));
  const names = Object.entries(columns).map(([name, column]) => [name, header.indexOf(column)] as const);
  return whole(cells.map((row) => Object.fromEntries(names.map(([name, at]) => [name, (row[at] ?? "").trim()]))));
}

type Files = readonly [train: string, held: string];

/** Training and held-out file of one table without header. */
export const bareParts =
  ([train, held]: Files, columns: Readonly<Record<string, number>>) =>
  async (read: ReadData): Promise<DataParts> => ({
    train: await bareTable(read, train, columns),
    eval: await bareTable(read, held, columns),
  });

/** The same with a header. */
export const namedParts =
  ([train, held]: Files, columns: Readonly<Record<string, string>>) =>
  async (read: ReadData): Promise<DataParts> => ({
    train: await namedTable(read, train, columns),
    eval: await namedTable(read, held, columns),
  });

/** GLUE's development set of CoLA is both of its parts. */
export async function cola(read: ReadData): Promise<DataParts> {
  const columns = { label: 1, text: 3 };
  const held = await Promise.all(
    ["in_domain_dev.tsv", "out_of_domain_dev.tsv"].map((name) => bareTable(read, `cola/${name}`, columns)),
  );
  return { train: await bareTable(read, "cola/in_domain_train.tsv.gz", columns), eval: held.flat() };
}

export async function qnli(read: ReadData): Promise<DataParts> {
  const columns = { text1: "question", text2: "sentence", label: "label" };
  return heldEvery(await namedTable(read, "qnli/dev.tsv.gz", columns), 5);
}

export async function lcqmc(read: ReadData): Promise<DataParts> {
  return heldEvery(await bareTable(read, "lcqmc/dev.tsv.gz", { text1: 0, text2: 1, label: 2 }), 5);
}

/** Six kinds of questions; the file has one byte that is not UTF-8. */
export async function trec(read: ReadData): Promise<DataParts> {
  const rows = linesOf(await read("trec/train_5500.label", "latin1")).map((line) => {
    const [kind = "", ...words] = line.split(" ");
    return { label: kind.split(":")[0]!, text: words.join(" ") };
  });
  return heldEvery(rows, 10);
}

/** Rows of a file with quoted cells. @param file with its folder */
async function quotedRows(file: string, columns: readonly string[]): Promise<LabelRow[]> {
  const rows: LabelRow[] = [];
  for await (const { fields } of csv(file, { header: true }).rows()) {
    rows.push(Object.fromEntries(columns.map((name) => [name, String(fields[name] ?? "").trim()])));
  }
  return whole(rows);
}

/** @param data folder of the data sets */
export const banking77 = (data: string) => async (): Promise<DataParts> => {
  const rows = async (name: string) =>
    (await quotedRows(`${data}/banking77/${name}`, ["text", "category"])).map(({ text, category }) => ({
      ...{ text, label: category },
    }));
  return { train: await rows("train.csv.gz"), eval: await rows("test.csv") };
};

interface FaqEntry {
  readonly id: string;
  readonly question: string;
  readonly text: string;
}

/**
 * Questions and the entries that answer them: those to every fifth entry are held out, so that no entry that is asked for was
 * learnt; they are searched for among all entries.
 */
export const faq =
  (data: string) =>
  async (read: ReadData): Promise<DataParts> => {
    const entries = JSON.parse(await read("faq_datatalks/documents-with-ids.json.gz")) as FaqEntry[];
    const answers = new Map(entries.map(({ id, question, text }) => [id, `${question} ${text}`.replace(/\s+/g, " ")]));
    const asked = await quotedRows(`${data}/faq_datatalks/ground-truth-data.csv.gz`, ["question", "document"]);
    const pairs = asked.map(({ question, document }) => ({ question, answer: answers.get(document!)!, document }));
    const corpus = [...answers].map(([document, answer]) => ({ answer, document }));
    return { ...heldGroups(pairs, ({ document }) => document!, 5), more: { corpus } };
  };

/** Questions with candidate sentences of which exactly one is right; the others of WikiQA have no right one, or several. */
export async function wikiqa(read: ReadData): Promise<DataParts> {
  const part = async (name: string) => {
    const asked = new Map<string, { readonly text: string; readonly isRight: boolean }[]>();
    for (const [question, text, label] of cellsOf(await read(`wikiqa/${name}.txt.gz`))) {
      if (label === undefined) continue;
      asked.set(question!, [...(asked.get(question!) ?? []), { text: text!, isRight: label.trim() === "1" }]);
    }
    return [...asked].flatMap(([question, candidates]) => {
      const isUsable = candidates.length > 1 && candidates.filter(({ isRight }) => isRight).length === 1;
      const options = candidates.map(({ text }) => text);
      return isUsable ? [{ question, options, label: candidates.findIndex(({ isRight }) => isRight) }] : [];
    });
  };
  return { train: await part("train"), eval: await part("dev") };
}

/** Sentences of CoNLL files, as they stand between empty lines. */
const blocksOf = (text: string): string[] =>
  text
    .split(/\r?\n[ \t]*\r?\n/)
    .map((block) => block.replace(/^\s*\n|\s+$/g, ""))
    .filter((block) => block !== "");

export const sentenceParts =
  ([train, held]: Files) =>
  async (read: ReadData): Promise<DataParts> => ({
    train: blocksOf(await read(train)),
    eval: blocksOf(await read(held)),
  });

interface Squad {
  readonly data: readonly {
    readonly title?: string;
    readonly paragraphs: readonly { readonly context: string; readonly qas: readonly object[] }[];
  }[];
}

function askedTexts({ data }: Squad): AskedText[] {
  return data.flatMap(({ title, paragraphs }, article) =>
    paragraphs.flatMap(({ context, qas }) =>
      qas.map((question) => ({ title: title ?? `${article}`, context, question })),
    ),
  );
}

/** Every so manieth article is held out with all its questions. */
export const questionParts =
  (file: string, every: number) =>
  async (read: ReadData): Promise<DataParts> =>
    heldGroups(askedTexts(JSON.parse(await read(file)) as Squad), ({ title }) => title, every);

/** Questions that nothing is learnt from. */
export const questionTest =
  (file: string) =>
  async (read: ReadData): Promise<DataParts> => ({
    train: [],
    eval: askedTexts(JSON.parse(await read(file)) as Squad),
  });

/** UCI's splice junctions: exon to intron, intron to exon, neither. */
export async function splice(read: ReadData): Promise<DataParts> {
  const rows = linesOf(await read("dna_splice_uci/splice.data")).map((line) => {
    const [label, , text] = line.split(",").map((cell) => cell.trim());
    return { label: label!, text: text! };
  });
  return heldEvery(rows, 10);
}

/** Promoters of E. coli against other parts of its genes. */
export async function promoters(read: ReadData): Promise<DataParts> {
  const fasta = (text: string, label: string) =>
    text
      .split(/^>/m)
      .filter((record) => record.trim() !== "")
      .map((record) => ({ text: record.split(/\r?\n/).slice(1).join("").trim(), label }));
  const positive = fasta(await read("dna_promoters_ecoli/promoter.fasta.gz"), "promoter");
  const negative = fasta(await read("dna_promoters_ecoli/non_promoter.fasta"), "other");
  const [one, other] = [heldEvery(positive, 10), heldEvery(negative, 10)];
  return { train: [...one.train, ...other.train], eval: [...one.eval, ...other.eval] };
}
