import { tokenBytes } from "./byte-alphabet.ts";

/** Makes text of ids one at a time, as they are generated; all parts together are the text that `decode` gives. */
export interface TextStream {
  /** The text that is certain now; what a later piece may still change (half a character) is held back. */
  push(id: number): string;
  /** What was held back. The stream is then as new. */
  end(): string;
}

/** Pieces of bytes: characters that are not complete yet are held back. */
export class ByteStream implements TextStream {
  readonly #token: (id: number) => string | undefined;
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  /** @param token of an id, undefined where it makes no text */
  constructor(token: (id: number) => string | undefined) {
    this.#token = token;
  }

  push(id: number): string {
    const token = this.#token(id);
    return token === undefined ? "" : this.#decoder.decode(tokenBytes(token), { stream: true });
  }

  end(): string {
    return this.#decoder.decode();
  }
}

/** Any pieces: a window of the last ones is decoded with and without the newest, and the difference is the text. */
export class WindowStream implements TextStream {
  readonly #token: (id: number) => string | undefined;
  readonly #decode: (tokens: string[]) => string;
  /** Beginnings of the mark of an end of word. */
  readonly #beginnings: readonly string[];
  /** The tokens that made the last text, then those that have not made any yet. */
  #tokens: string[] = [];
  #told = 0;

  /**
   * @param token of an id, undefined where it makes no text
   * @param mark of an end of word that may come in parts: it makes no text once it is whole
   */
  constructor(token: (id: number) => string | undefined, decode: (tokens: string[]) => string, mark = "") {
    this.#token = token;
    this.#decode = decode;
    this.#beginnings = Array.from({ length: Math.max(0, mark.length - 1) }, (_, i) => mark.slice(0, i + 1));
  }

  push(id: number): string {
    const token = this.#token(id);
    if (token === undefined) return "";
    this.#tokens.push(token);
    const text = this.#untold();
    // A replacement character at the end is the first byte of a character, as far as one can tell.
    if (text === "" || text.endsWith("\ufffd") || this.#beginnings.some((part) => text.endsWith(part))) return "";
    this.#tokens = this.#tokens.slice(this.#told);
    this.#told = this.#tokens.length;
    return text;
  }

  end(): string {
    const text = this.#untold();
    this.#tokens = [];
    this.#told = 0;
    return text;
  }

  #untold(): string {
    // Some decoders of the native library abort the process where there is nothing.
    if (this.#tokens.length === 0) return "";
    const before = this.#told === 0 ? "" : this.#decode(this.#tokens.slice(0, this.#told));
    return this.#decode(this.#tokens).slice(before.length);
  }
}
