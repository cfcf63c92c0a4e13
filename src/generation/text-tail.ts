import type { TextStream } from "../tokenizers/text-stream.ts";

/** What a token added to a text. */
export interface TextPiece {
  /** Text that is certain now: no half characters, nothing that may be the beginning of a stop string. */
  readonly text: string;
  /** Whether a stop string is complete: the text ends before it. */
  readonly isStopped: boolean;
}

/** Length of the longest end of a text that a stop string begins with. */
function possibleStop(text: string, stopStrings: readonly string[]): number {
  let longest = 0;
  for (const stop of stopStrings) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length;
    }
  }
  return longest;
}

/** The end of a text while its tokens come: looks for stop strings across their borders, and holds back what is not certain. */
export class TextTail {
  private readonly stream: TextStream;
  private readonly stopStrings: readonly string[];
  private held = "";

  constructor(stream: TextStream, stopStrings: readonly string[]) {
    this.stream = stream;
    this.stopStrings = stopStrings;
  }

  push(id: number): TextPiece {
    return this.take(this.stream.push(id));
  }

  /** What was held back, at the end of a text. */
  end(): TextPiece {
    const { text, isStopped } = this.take(this.stream.end());
    const rest = isStopped ? "" : this.held;
    this.held = "";
    return { text: text + rest, isStopped };
  }

  private take(added: string): TextPiece {
    const text = this.held + added;
    const ends = this.stopStrings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
    if (ends.length > 0) {
      this.held = "";
      return { text: text.slice(0, Math.min(...ends)), isStopped: true };
    }
    const certain = text.length - possibleStop(text, this.stopStrings);
    this.held = text.slice(certain);
    return { text: text.slice(0, certain), isStopped: false };
  }
}
