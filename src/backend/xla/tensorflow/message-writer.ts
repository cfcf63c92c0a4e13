/** @file Writes protocol buffers: a field is its number with what follows. */

const VARINT = 0;
const BYTES = 2;
const encoder = new TextEncoder();

/** A message that is being written; fields come in the order of the calls. */
export class MessageWriter {
  private readonly parts: Uint8Array[] = [];
  private length = 0;

  private append(bytes: Uint8Array): this {
    this.parts.push(bytes);
    this.length += bytes.length;
    return this;
  }

  private varint(value: number): this {
    const bytes: number[] = [];
    let rest = value;
    while (rest >= 0x80) {
      bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    bytes.push(rest);
    return this.append(Uint8Array.from(bytes));
  }

  /** A whole number of 0 or more. */
  integer(field: number, value: number): this {
    return this.varint(field * 8 + VARINT).varint(value);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.varint(field * 8 + BYTES)
      .varint(value.length)
      .append(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, encoder.encode(value));
  }

  message(field: number, write: (writer: MessageWriter) => void): this {
    const inner = new MessageWriter();
    write(inner);
    return this.bytes(field, inner.finish());
  }

  /** An entry of a map from text to messages. */
  entry(field: number, key: string, write: (writer: MessageWriter) => void): this {
    return this.message(field, (entry) => entry.text(1, key).message(2, write));
  }

  /** A map from text to text. */
  textEntries(field: number, entries: readonly (readonly [key: string, value: string])[]): this {
    for (const [key, value] of entries) this.message(field, (entry) => entry.text(1, key).text(2, value));
    return this;
  }

  /** Whole numbers of 0 or more in one field. */
  packed(field: number, values: readonly number[]): this {
    const inner = new MessageWriter();
    for (const value of values) inner.varint(value);
    return this.bytes(field, inner.finish());
  }

  finish(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }
}
