import { DataError } from "../base/errors.ts";
import { foldSeed, mix32 } from "../base/random.ts";

/** One document: its sentences in order, none of them empty. */
export type TextDocument = readonly string[];

/** How a corpus is divided into a training and an evaluation part. */
export interface SplitOptions {
  /** Share of the documents held out, in (0, 1). */
  readonly evalFraction: number;
  /** Another seed holds out other documents; 0 unless given. */
  readonly seed?: number;
}

/** The two parts of a divided corpus; no document text is in both. */
export interface SourceSplit {
  readonly train: TextSource;
  readonly eval: TextSource;
}

/** Text that can be read again and again as a stream, in an order that never changes and in constant memory. */
export abstract class TextSource {
  /** What messages call this source: a file or folder name. */
  abstract readonly name: string;

  /** The documents in order. */
  abstract documents(): AsyncIterable<TextDocument>;

  /** Every sentence of every document, for training a tokenizer. */
  async *lines(): AsyncGenerator<string> {
    for await (const document of this.documents()) yield* document;
  }

  /** Every document as one text, its sentences divided by line ends. */
  async *texts(): AsyncGenerator<string> {
    for await (const document of this.documents()) yield document.join("\n");
  }

  /**
   * Divides the corpus by a hash of each document's text, so equal documents always fall on the same side.
   * @throws {DataError} SPLIT_FRACTION_RANGE when evalFraction does not lie in (0, 1)
   */
  split(options: SplitOptions): SourceSplit {
    const { evalFraction, seed = 0 } = options;
    if (!(evalFraction > 0 && evalFraction < 1)) {
      throw new DataError(`evalFraction must lie between 0 and 1; got ${evalFraction}. Use for example 0.01.`, {
        code: "SPLIT_FRACTION_RANGE",
        path: this.name,
      });
    }
    const held = (document: TextDocument) => hashDocument(document, seed) < evalFraction * 0x1_0000_0000;
    return {
      train: new FilteredSource(this, "train", (document) => !held(document)),
      eval: new FilteredSource(this, "eval", held),
    };
  }

  /** Only the documents that `keep` accepts. */
  filter(keep: (document: TextDocument) => boolean): TextSource {
    return new FilteredSource(this, "filtered", keep);
  }
}

class FilteredSource extends TextSource {
  readonly name: string;
  private readonly inner: TextSource;
  private readonly keep: (document: TextDocument) => boolean;

  constructor(inner: TextSource, part: string, keep: (document: TextDocument) => boolean) {
    super();
    this.name = `${inner.name} (${part})`;
    this.inner = inner;
    this.keep = keep;
  }

  async *documents(): AsyncGenerator<TextDocument> {
    for await (const document of this.inner.documents()) if (this.keep(document)) yield document;
  }
}

class MemorySource extends TextSource {
  readonly name: string;
  private readonly held: readonly TextDocument[];

  constructor(held: readonly TextDocument[], name: string) {
    super();
    this.held = held;
    this.name = name;
  }

  async *documents(): AsyncGenerator<TextDocument> {
    yield* this.held;
  }
}

class JoinedSource extends TextSource {
  readonly name: string;
  private readonly parts: readonly TextSource[];

  constructor(parts: readonly TextSource[]) {
    super();
    this.parts = parts;
    this.name = parts.map((part) => part.name).join(" + ");
  }

  async *documents(): AsyncGenerator<TextDocument> {
    for (const part of this.parts) yield* part.documents();
  }
}

/** Documents that are already in memory, each a list of sentences. */
export function textDocuments(documents: readonly TextDocument[], name = "documents in memory"): TextSource {
  return new MemorySource(documents, name);
}

/** Several sources read one after the other. */
export function joinSources(sources: readonly TextSource[]): TextSource {
  return new JoinedSource(sources);
}

/** A 32-bit hash of a document's text and a seed. */
function hashDocument(document: TextDocument, seed: number): number {
  let h = foldSeed(seed, "split");
  for (const sentence of document) {
    for (let i = 0; i < sentence.length; i++) h = Math.imul(h ^ sentence.charCodeAt(i), 0x01000193);
    h = mix32(h + 1);
  }
  return h;
}
