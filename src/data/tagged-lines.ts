/** @file Tagged sentences in JSON Lines: words with tags, or texts with the places of their entities. */
import { DataError } from "../base/errors.ts";
import { fitsWords, TextPositions, type TextSpan, touchedBy, wordSpans } from "./alignment.ts";
import type { DecodeOptions } from "./encoding.ts";
import { wholeLines } from "./file-lines.ts";
import { parseJsonLine } from "./json-lines.ts";
import type { TaggedSentence, TaggedSource } from "./tagged-sentence.ts";

export interface TaggedLinesOptions extends DecodeOptions {
  /** Language by whose rules texts are cut into words (BCP 47); `en` by default. */
  readonly locale?: string | undefined;
  /** What to do with an entity that begins or ends inside a word: refuse it (default), or take the whole word. */
  readonly misfit?: "error" | "widen" | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** An entity of a text, in UTF-16 units. */
interface SaidEntity extends TextSpan {
  readonly type: string;
  /** As the line says it, in code points. */
  readonly said: string;
}

/** Reads one line. */
class Line {
  private readonly file: string;
  private readonly line: number;

  constructor(file: string, line: number) {
    this.file = file;
    this.line = line;
  }

  private refuse(code: string, rule: string, fix: string): never {
    const { line, file } = this;
    throw new DataError(`line ${line}: ${rule} ${fix}`, { code, path: file, details: { line } });
  }

  private texts(value: unknown, name: string): string[] {
    const wrong = Array.isArray(value)
      ? value.findIndex((item) => typeof item !== "string" || item.trim() === "")
      : undefined;
    if (wrong === -1) return value as string[];
    const got =
      wrong === undefined
        ? JSON.stringify(value)?.slice(0, 60)
        : `${JSON.stringify((value as unknown[])[wrong])} at ${wrong}`;
    return this.refuse(
      "TAGS_LAYOUT",
      `${name} must be a list of texts, none of them empty; got ${got}.`,
      "Correct it.",
    );
  }

  words(fields: Fields): TaggedSentence {
    const words = this.texts(fields.words, "words");
    const tags = this.texts(fields.tags, "tags");
    if (tags.length !== words.length) {
      const rule = `a sentence must have a tag for every word; got ${tags.length} tags and ${words.length} words.`;
      this.refuse("TAGS_MISSING", rule, "Write O where a word has none.");
    }
    return { words, tags, line: this.line };
  }

  private entity(value: unknown, text: string, positions: TextPositions): SaidEntity {
    const fields = (typeof value === "object" && value !== null ? value : {}) as Fields;
    const { start, end } = fields;
    const type = fields.type ?? fields.label;
    if (typeof type !== "string" || type.trim() === "" || !Number.isInteger(start) || !Number.isInteger(end)) {
      const rule = `an entity must have a type, a start and an end; got ${JSON.stringify(value)?.slice(0, 80)}.`;
      return this.refuse("TAGS_LAYOUT", rule, 'Write {"start": 0, "end": 5, "type": "…"}, characters counted from 0.');
    }
    const [from, to] = [start as number, end as number];
    const said = `${type} [${from}, ${to})`;
    if (from < 0 || to <= from || to > positions.numCodePoints) {
      const rule = `${said} must lie within the text of ${positions.numCodePoints} characters and hold one.`;
      this.refuse("SPAN_OUTSIDE", rule, "Correct its start and end: characters from 0, the end behind the last one.");
    }
    const span = { start: positions.toUnit(from), end: positions.toUnit(to) };
    if (text.slice(span.start, span.end).trim() === "") {
      this.refuse("SPAN_OUTSIDE", `${said} holds nothing but white space.`, "Correct its start and end.");
    }
    return { ...span, type, said };
  }

  /** The tags of a text's words. */
  text(fields: Fields, { locale, misfit = "error" }: TaggedLinesOptions): TaggedSentence {
    const { text, entities = [] } = fields;
    if (typeof text !== "string" || !Array.isArray(entities)) {
      const rule = "must have words and tags, or a text and a list of entities.";
      return this.refuse("TAGS_LAYOUT", rule, 'Write {"words": […], "tags": […]} or {"text": "…", "entities": […]}.');
    }
    const positions = new TextPositions(text);
    const spans = wordSpans(text, locale);
    const found = entities
      .map((value: unknown) => this.entity(value, text, positions))
      .sort((a, b) => a.start - b.start);
    const tags = new Array<string>(spans.length).fill("O");
    let last: { readonly said: string; readonly end: number; readonly endWord: number } | undefined;
    for (const { type, said, ...span } of found) {
      if (last !== undefined && span.start < last.end) {
        this.refuse(
          "ENTITIES_OVERLAP",
          `${said} begins inside ${last.said}.`,
          "Tags cannot say that: keep one of them.",
        );
      }
      const run = touchedBy(span, spans)!;
      if (misfit === "error" && !fitsWords(span, spans)) {
        const words = spans.slice(run.start, run.end).map(({ start, end }) => text.slice(start, end));
        const rule = `${said} begins or ends inside a word of ${JSON.stringify(words.join(" "))}.`;
        this.refuse("SPAN_SPLITS_WORD", rule, "Correct it, or let entities be widened to whole words (misfit: widen).");
      }
      if (last !== undefined && run.start < last.endWord) {
        const rule = `${said} and ${last.said} have a word in common when they are widened.`;
        this.refuse("ENTITIES_OVERLAP", rule, "Keep one of them.");
      }
      for (let word = run.start; word < run.end; word++) tags[word] = `${word === run.start ? "B" : "I"}-${type}`;
      last = { said, end: span.end, endWord: run.end };
    }
    return { words: spans.map(({ start, end }) => text.slice(start, end)), tags, line: this.line };
  }
}

/**
 * Sentences of a file with one object a line (also gzipped): `words` and `tags`, two lists of the same length; or a `text` with its
 * `entities`, a list of `{ start, end, type }` in code points, which become tags of IOB2 for the text's words by Unicode's rules.
 * @throws {DataError} TAGS_LAYOUT, TAGS_MISSING, SPAN_OUTSIDE for an entity that goes over the text's ends, ENTITIES_OVERLAP,
 * SPAN_SPLITS_WORD, each naming file and line; JSON_INVALID, JSON_NOT_OBJECT, DATA_EMPTY
 */
export function taggedLines(file: string, options: TaggedLinesOptions = {}): TaggedSource {
  const { locale: _locale, misfit: _misfit, ...decoding } = options;
  return {
    name: file,
    sentences: async function* (): AsyncGenerator<TaggedSentence> {
      let isEmpty = true;
      for await (const { text, line } of wholeLines(file, decoding)) {
        if (text.trim() === "") continue;
        isEmpty = false;
        const fields = parseJsonLine(text, file, line);
        const reader = new Line(file, line);
        yield fields.words === undefined ? reader.text(fields, options) : reader.words(fields);
      }
      if (isEmpty) throw new DataError("has no sentence. Is it the right file?", { code: "DATA_EMPTY", path: file });
    },
  };
}
