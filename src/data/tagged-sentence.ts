/** @file Sentences whose words have tags, from CoNLL-U and from CoNLL columns. */
import { DataError } from "../base/errors.ts";
import type { DecodeOptions } from "./encoding.ts";
import { wholeLines } from "./file-lines.ts";

export interface TaggedSentence {
  readonly words: readonly string[];
  /** One a word. */
  readonly tags: readonly string[];
  /** Number of its first word's line in the file, from 1. */
  readonly line: number;
}

/** Tagged sentences that can be read again and again. */
export interface TaggedSource {
  readonly name: string;
  /** @throws {DataError} the file's own, each naming file and line */
  sentences(): AsyncIterable<TaggedSentence>;
}

/** Columns of CoNLL-U that hold a tag, by number from 0. */
const tagColumns = { upos: 3, xpos: 4 } as const;
export type ConllUTag = keyof typeof tagColumns;

/** Columns that CoNLL-U has. */
const CONLLU_WIDTH = 10;

interface Word {
  readonly word: string;
  readonly tag: string;
}

type LineReader = (text: string, line: number) => Word | "end" | "skip";

function broken(file: string, line: number, message: string, code: string): DataError {
  return new DataError(`line ${line}: ${message}`, { code, path: file, details: { line } });
}

/** Sentences of a file whose lines a format reads. */
async function* sentencesOf(file: string, options: DecodeOptions, read: LineReader): AsyncGenerator<TaggedSentence> {
  let words: Word[] = [];
  let first = 0;
  const sentence = (): TaggedSentence => ({
    words: words.map(({ word }) => word),
    tags: words.map(({ tag }) => tag),
    line: first,
  });
  let isEmpty = true;
  for await (const { text, line } of wholeLines(file, options)) {
    const found = read(text, line);
    if (found === "skip") continue;
    if (found !== "end") {
      if (words.length === 0) first = line;
      words.push(found);
      continue;
    }
    if (words.length === 0) continue;
    isEmpty = false;
    yield sentence();
    words = [];
  }
  if (words.length > 0) yield sentence();
  else if (isEmpty) throw new DataError("has no sentence. Is it the right file?", { code: "DATA_EMPTY", path: file });
}

/**
 * Sentences of a CoNLL-U file (also gzipped): syntactic words with their UPOS or XPOS. Comments, lines of multiword tokens
 * (`3-4`), whose words follow by themselves, and empty nodes (`5.1`), which are no words of the text, are left out.
 * @throws {DataError} CONLLU_COLUMNS, CONLLU_ID, DATA_EMPTY, naming file and line
 * @source https://universaldependencies.org/format.html
 */
export function conllU(file: string, options: DecodeOptions & { readonly tag?: ConllUTag } = {}): TaggedSource {
  const { tag = "upos", ...decoding } = options;
  const read: LineReader = (text, line) => {
    if (text.trim() === "") return "end";
    if (text.startsWith("#")) return "skip";
    const cells = text.split("\t");
    if (cells.length !== CONLLU_WIDTH) {
      const message = `a word has ${CONLLU_WIDTH} columns with tabs between; got ${cells.length}. Correct the line.`;
      throw broken(file, line, message, "CONLLU_COLUMNS");
    }
    const id = cells[0]!;
    if (/^\d+-\d+$/.test(id) || /^\d+\.\d+$/.test(id)) return "skip";
    if (!/^\d+$/.test(id)) {
      const message = `an id must be a number, a range (3-4) or that of an empty node (5.1); got ${JSON.stringify(id)}.`;
      throw broken(file, line, message, "CONLLU_ID");
    }
    const [word, own] = [cells[1]!.trim(), cells[tagColumns[tag]]!.trim()];
    if (word !== "" && own !== "") return { word, tag: own };
    const empty = word === "" ? "form (column 2)" : `${tag} (column ${tagColumns[tag] + 1})`;
    throw broken(
      file,
      line,
      `a word must have its ${empty}; got an empty cell. Write _ where there is none.`,
      "CONLLU_COLUMNS",
    );
  };
  return { name: file, sentences: () => sentencesOf(file, decoding, read) };
}

export interface ConllColumnOptions extends DecodeOptions {
  /** Column of the word, from 0; the first by default. */
  readonly wordColumn?: number | undefined;
  /** Column of the tag, from 0; the last by default. */
  readonly tagColumn?: number | undefined;
}

/**
 * Sentences of a file with a word a line and columns with tabs, or else with spaces between (also gzipped); lines of white
 * space end a sentence, `-DOCSTART-` lines are left out. There are no comments: `#` begins words of social media.
 * @throws {DataError} CONLL_COLUMNS, DATA_EMPTY, naming file and line
 */
export function conllColumns(file: string, options: ConllColumnOptions = {}): TaggedSource {
  const { wordColumn = 0, tagColumn, ...decoding } = options;
  const read: LineReader = (text, line) => {
    if (text.trim() === "") return "end";
    if (text.startsWith("-DOCSTART-")) return "skip";
    const cells = text.includes("\t") ? text.split("\t") : text.trim().split(/ +/);
    const word = cells[wordColumn]?.trim() ?? "";
    const tag = cells[tagColumn ?? cells.length - 1]?.trim() ?? "";
    if (cells.length < 2 || word === "" || tag === "") {
      const message = `must have a word in column ${wordColumn} and a tag in column ${tagColumn ?? "last"}; got ${JSON.stringify(text.slice(0, 60))}. Correct the line, or the columns.`;
      throw broken(file, line, message, "CONLL_COLUMNS");
    }
    return { word, tag };
  };
  return { name: file, sentences: () => sentencesOf(file, decoding, read) };
}
