import { DataError } from "../base/errors.ts";
import type { SplitSide, TextDocument } from "./document.ts";
import { blockDocuments, type DocumentBlock, documentBlocks } from "./document-block.ts";

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

  /** The same documents in blocks that other threads can read: cleaning and splitting the text is left to them. */
  blocks(): AsyncIterable<DocumentBlock> {
    return documentBlocks(this.documents());
  }

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
    return {
      train: new SplitSource(this, { side: "train", evalFraction, seed }),
      eval: new SplitSource(this, { side: "eval", evalFraction, seed }),
    };
  }

  /** Only the documents that `keep` accepts. */
  filter(keep: (document: TextDocument) => boolean): TextSource {
    return new FilteredSource(this, keep);
  }
}

/** A source whose documents are found by reading blocks, on this thread or another. */
export abstract class BlockSource extends TextSource {
  abstract override blocks(): AsyncIterable<DocumentBlock>;

  documents(): AsyncIterable<TextDocument> {
    return blockDocuments(this.blocks());
  }
}

class SplitSource extends BlockSource {
  readonly name: string;
  private readonly inner: TextSource;
  private readonly side: SplitSide;

  constructor(inner: TextSource, side: SplitSide) {
    super();
    this.name = `${inner.name} (${side.side})`;
    this.inner = inner;
    this.side = side;
  }

  async *blocks(): AsyncGenerator<DocumentBlock> {
    for await (const block of this.inner.blocks()) yield { ...block, sides: [...(block.sides ?? []), this.side] };
  }
}

class FilteredSource extends TextSource {
  readonly name: string;
  private readonly inner: TextSource;
  private readonly keep: (document: TextDocument) => boolean;

  constructor(inner: TextSource, keep: (document: TextDocument) => boolean) {
    super();
    this.name = `${inner.name} (filtered)`;
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

class JoinedSource extends BlockSource {
  readonly name: string;
  private readonly parts: readonly TextSource[];

  constructor(parts: readonly TextSource[]) {
    super();
    this.parts = parts;
    this.name = parts.map((part) => part.name).join(" + ");
  }

  async *blocks(): AsyncGenerator<DocumentBlock> {
    for (const part of this.parts) yield* part.blocks();
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
