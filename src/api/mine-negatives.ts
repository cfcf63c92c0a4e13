/** @file Hard negatives: texts that a model takes for answers, and that are none. */
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { type ColumnRef, cellText, type TableRow, TableSource } from "../data/table.ts";
import { allItems, nearest, vectorTable } from "../tasks/nearest.ts";
import { groupOf } from "../tasks/retrieval-data.ts";
import { type EmbeddingModel, type EmbedOptions, openEmbedder } from "./embed.ts";

export interface MineNegativesOptions extends Omit<EmbedOptions, "normalize"> {
  /** `question` by default. */
  readonly questionColumn?: ColumnRef | undefined;
  /** `answer` by default. */
  readonly passageColumn?: ColumnRef | undefined;
  /** Names what a passage stands for; its text by default. */
  readonly groupColumn?: ColumnRef | undefined;
  /** A table of more passages to look among. */
  readonly corpus?: TableSource | undefined;
  /** Negatives for each pair; 1 by default. */
  readonly numNegatives?: number | undefined;
  /** Ranks that they are drawn from, those of known answers not counted, from 1; 1 to 30 by default. */
  readonly ranks?: readonly [first: number, last: number] | undefined;
  /** Of the draw; 1 by default. */
  readonly seed?: number | undefined;
  /** Field that the negatives are put into; `negatives` by default. */
  readonly field?: string | undefined;
}

interface Pair {
  readonly row: TableRow;
  readonly question: string;
}

function check({ numNegatives, first, last }: Record<"numNegatives" | "first" | "last", number>): void {
  const issues: ConfigIssue[] = [];
  if (!(Number.isInteger(numNegatives) && numNegatives >= 1)) {
    issues.push({
      path: "numNegatives",
      message: `must be a whole number ≥ 1; got ${numNegatives}.`,
      code: "CONFIG_RANGE",
    });
  }
  if (!(Number.isInteger(first) && Number.isInteger(last) && first >= 1 && last - first + 1 >= numNegatives)) {
    const message = `must be two ranks from 1 with room for ${numNegatives} negatives; got ${first} to ${last}.`;
    issues.push({ path: "ranks", message, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("mineNegatives", issues);
}

/**
 * The pairs of a table, each with texts that the model finds for the question and that are not known to answer it.
 *
 * All passages are compared with all questions: time grows with their product.
 * @throws {DataError} TOO_FEW_PASSAGES, TEXT_EMPTY, COLUMN_UNKNOWN
 * @throws {ConfigError} for wrong options
 * @source Xiong et al. 2020, arXiv:2007.00808 (negatives by the model that learns); here they are drawn once
 */
export async function mineNegatives(
  model: EmbeddingModel,
  source: TableSource,
  options: MineNegativesOptions = {},
): Promise<TableSource> {
  const { questionColumn = "question", passageColumn = "answer", groupColumn, corpus, seed = 1 } = options;
  const { numNegatives = 1, ranks = [1, 30], field = "negatives", ...embedding } = options;
  const [first, last] = ranks;
  check({ numNegatives, first, last });
  const pairs: Pair[] = [];
  const answers = new Map<string, Set<string>>();
  const groups = new Map<string, Set<string>>();
  const addPassage = (row: TableRow, file: string): string => {
    const text = cellText(row, passageColumn, file);
    const group = groupOf(row, text, groupColumn, file);
    groups.set(text, (groups.get(text) ?? new Set()).add(group));
    return group;
  };
  for await (const row of source.rows()) {
    const question = cellText(row, questionColumn, source.name);
    pairs.push({ row, question });
    answers.set(question, (answers.get(question) ?? new Set()).add(addPassage(row, source.name)));
  }
  if (corpus !== undefined) for await (const row of corpus.rows()) addPassage(row, corpus.name);

  const texts = [...groups.keys()];
  const questions = [...answers.keys()];
  const embedder = await openEmbedder(model, embedding);
  const found = new Map<string, readonly string[]>();
  try {
    const table = vectorTable(await embedder.embed(texts), embedder.size);
    const vectors = await embedder.embed(questions);
    const items = allItems(texts.length);
    const known = [...answers.values()].reduce((most, own) => Math.max(most, own.size), 0);
    for (const [i, question] of questions.entries()) {
      const own = answers.get(question)!;
      const isAnswer = (text: string): boolean => [...groups.get(text)!].some((group) => own.has(group));
      // Answers stand among the nearest; a group may have several texts, so there may be too few at first.
      let near: readonly string[] = [];
      for (let count = last + known; near.length < last; count *= 2) {
        near = nearest(table, vectors[i]!, Math.min(count, texts.length), items)
          .map(({ item }) => texts[item]!)
          .filter((text) => !isAnswer(text));
        if (count >= texts.length) break;
      }
      const pool = near.slice(first - 1, last);
      if (pool.length < numNegatives) {
        throw new DataError(
          `there are ${pool.length} passages at the ranks ${first} to ${last} that do not answer ${JSON.stringify(question.slice(0, 60))}; ${numNegatives} are needed. Give a corpus, or lower ranks or numNegatives.`,
          { code: "TOO_FEW_PASSAGES", path: source.name },
        );
      }
      const random = new Random(seed, "negatives", question);
      for (let k = 0; k < numNegatives; k++) {
        const other = k + random.nextInt(pool.length - k);
        [pool[k], pool[other]] = [pool[other]!, pool[k]!];
      }
      found.set(question, pool.slice(0, numNegatives));
    }
  } finally {
    await embedder.dispose();
  }
  return new TableSource(
    `${source.name} with negatives`,
    async function* () {
      for (const { row, question } of pairs) {
        yield { line: row.line, fields: { ...row.fields, [field]: found.get(question)! } };
      }
    },
    {},
  );
}
