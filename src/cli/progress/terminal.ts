import { fitText } from "./text-width.ts";

/** Where progress goes: `process.stderr`, or a collector in tests. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

/** What every display needs. */
export interface ProgressOptions {
  readonly stream: ProgressStream;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Live lines redrawn in place; by default when the stream is a terminal. */
  readonly live?: boolean;
}

const ERASE_LINE = "\u001B[K";
const ERASE_BELOW = "\u001B[J";
const DEFAULT_COLUMNS = 80;

/** Lines at the bottom of a terminal that are redrawn in place, below lines that stay. */
export class Terminal {
  readonly #stream: ProgressStream;
  #numLines = 0;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  /** Columns that a live line may take: one less than the terminal has, since some wrap at the last. */
  get columns(): number {
    return Math.max(1, (this.#stream.columns || DEFAULT_COLUMNS) - 1);
  }

  /** Redraws the live lines, each cut to the terminal. */
  draw(lines: readonly string[]): void {
    const text = lines.map((line) => fitText(line, this.columns) + ERASE_LINE).join("\n");
    this.#stream.write(this.#home() + text + ERASE_BELOW);
    this.#numLines = lines.length;
  }

  /** Writes a line that stays, above the live ones, which the next `draw` brings back. */
  print(line: string): void {
    this.#stream.write(`${this.#clearing()}${line}\n`);
  }

  /** Takes the live lines away. */
  clear(): void {
    const text = this.#clearing();
    if (text !== "") this.#stream.write(text);
  }

  #clearing(): string {
    const text = this.#numLines === 0 ? "" : this.#home() + ERASE_BELOW;
    this.#numLines = 0;
    return text;
  }

  /** Back to the start of the first live line. */
  #home(): string {
    if (this.#numLines === 0) return "";
    return this.#numLines === 1 ? "\r" : `\r\u001B[${this.#numLines - 1}A`;
  }
}
