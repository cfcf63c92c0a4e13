import type { TextDocument } from "./document.ts";
import { type SentenceOptions, type SentenceSplitter, sentenceSplitter } from "./sentence.ts";

/** What ends a document, and how its sentences are found. */
export interface DocumentOptions extends SentenceOptions {
  /** `blankLine` (default): a blank line or the end of the file; `file`: only the end of the file; `line`: every line. */
  readonly documentEnd?: "blankLine" | "file" | "line";
}

/** A document longer than this (UTF-16 units) is given out in parts, cut between paragraphs or lines. */
const longestDocument = 1 << 21;

/** Collects lines into paragraphs and documents; holds at most one document. */
export class DocumentBuilder {
  private readonly end: NonNullable<DocumentOptions["documentEnd"]>;
  private readonly split: SentenceSplitter;
  private paragraph: string[] = [];
  private paragraphSize = 0;
  private sentences: string[] = [];
  private size = 0;

  constructor(options: DocumentOptions = {}) {
    this.end = options.documentEnd ?? "blankLine";
    this.split = sentenceSplitter(options);
  }

  /** Takes one line; returns a document where this line completed one. */
  line(text: string): TextDocument | undefined {
    if (text === "" || text.trim() === "") {
      this.closeParagraph();
      return this.end === "file" ? undefined : this.finish();
    }
    this.paragraph.push(text);
    this.paragraphSize += text.length;
    if (this.end === "line") return this.finish();
    if (this.size + this.paragraphSize < longestDocument) return undefined;
    return this.finish();
  }

  /** Ends the document; undefined when it holds no sentence. */
  finish(): TextDocument | undefined {
    this.closeParagraph();
    const document = this.sentences;
    this.sentences = [];
    this.size = 0;
    return document.length > 0 ? document : undefined;
  }

  private closeParagraph(): void {
    if (this.paragraph.length === 0) return;
    for (const sentence of this.split(this.paragraph)) this.sentences.push(sentence);
    this.size += this.paragraphSize;
    this.paragraph = [];
    this.paragraphSize = 0;
  }
}
