/** @file The stack machine that pickles are programs for; what it may do is in `pickle.ts`. */
import { describePickled, type PickleHost, PickleObject, type PickleValue, pickleTruncated } from "./pickle-value.ts";

/** Longest line of a text operand, and largest whole number in bytes: what tensor files need, and some more. */
const maxLineBytes = 4096;
const maxIntegerBytes = 16;

/** One run of the stack machine that a pickle is a program for. */
export class PickleMachine {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  readonly host: PickleHost;
  private at: number;
  private stack: PickleValue[] = [];
  /** Stacks that a mark set aside. */
  private readonly outer: PickleValue[][] = [];
  private readonly memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, start: number, host: PickleHost) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.host = host;
    this.at = start;
  }

  /** Where the next instruction is. */
  get position(): number {
    return this.at;
  }

  /** Claims bytes and gives their place. */
  take(length: number): number {
    const at = this.at;
    if (!(length <= this.bytes.length - at)) {
      const left = this.bytes.length - at;
      this.host.fail(
        pickleTruncated,
        `its pickle ends early: ${length} bytes are due at byte ${at}, ${left} are there.`,
      );
    }
    this.at += length;
    return at;
  }

  u8(): number {
    return this.bytes[this.take(1)]!;
  }
  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }
  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }
  i32(): number {
    return this.view.getInt32(this.take(4), true);
  }
  /** A length of 8 bytes: whatever a file cannot hold is as good as infinite. */
  u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }
  f64(): number {
    return this.view.getFloat64(this.take(8), false);
  }

  raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  text(length: number): string {
    return new TextDecoder().decode(this.raw(length));
  }

  line(): string {
    const end = this.bytes.subarray(this.at, this.at + maxLineBytes).indexOf(0x0a);
    if (end >= 0) return this.text(end + 1).slice(0, -1);
    return this.take(maxLineBytes + 1) >= 0
      ? this.host.fail("PICKLE_INVALID", `its pickle has a line of more than ${maxLineBytes} bytes at byte ${this.at}.`)
      : "";
  }

  /** A whole number, little-endian two's complement. */
  integer(length: number): number | bigint {
    if (length > maxIntegerBytes) {
      this.host.fail("PICKLE_INVALID", `its pickle has a number of ${length} bytes at byte ${this.at}.`);
    }
    let value = 0n;
    for (const byte of this.raw(length).toReversed()) value = value * 256n + BigInt(byte);
    return plainInteger(BigInt.asIntN(8 * length, value));
  }

  decimal(): number | bigint | boolean {
    const line = this.line();
    if (line === "00" || line === "01") return line === "01";
    const digits = line.endsWith("L") ? line.slice(0, -1) : line;
    if (!/^[-+]?\d{1,40}$/.test(digits)) {
      this.host.fail("PICKLE_INVALID", `its pickle has ${JSON.stringify(line.slice(0, 60))} for a number.`);
    }
    return plainInteger(BigInt(digits));
  }

  push(value: PickleValue): void {
    this.stack.push(value);
  }

  pop(): PickleValue {
    if (this.stack.length === 0)
      this.host.fail("PICKLE_INVALID", `its pickle takes from an empty stack before byte ${this.at}.`);
    return this.stack.pop()!;
  }

  top(): PickleValue {
    const value = this.pop();
    this.push(value);
    return value;
  }

  mark(): void {
    this.outer.push(this.stack);
    this.stack = [];
  }

  /** What was pushed since the last mark. */
  popMark(): PickleValue[] {
    const items = this.stack;
    const before = this.outer.pop();
    if (before === undefined) this.host.fail("PICKLE_INVALID", `its pickle misses a mark before byte ${this.at}.`);
    this.stack = before;
    return items;
  }

  get(index: number): void {
    const value = this.memo.get(index);
    if (value === undefined) this.host.fail("PICKLE_INVALID", `its pickle remembers nothing under number ${index}.`);
    this.push(value);
  }

  put(index: number): void {
    this.memo.set(index, this.top());
  }

  memoize(): void {
    this.put(this.memo.size);
  }

  tuple(length: number): void {
    const items = Array.from({ length }, () => this.pop());
    this.push(items.reverse());
  }

  append(items: readonly PickleValue[]): void {
    const list = this.top();
    if (!Array.isArray(list)) this.host.fail("PICKLE_INVALID", `its pickle appends to ${describePickled(list)}.`);
    for (const item of items) list.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map) || items.length % 2 !== 0) {
      this.host.fail("PICKLE_INVALID", `its pickle sets ${items.length} keys and values of ${describePickled(dict)}.`);
    }
    for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!);
  }

  dict(items: readonly PickleValue[]): void {
    this.push(new Map());
    this.setItems(items);
  }

  global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== "string" || typeof name !== "string") {
      this.host.fail("PICKLE_INVALID", `its pickle names ${describePickled(name)} of ${describePickled(module)}.`);
    }
    this.push(this.host.global(module, name));
  }

  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (!(callable instanceof PickleObject) || !Array.isArray(args)) {
      this.host.fail("PICKLE_INVALID", `its pickle calls ${describePickled(callable)} with ${describePickled(args)}.`);
    }
    this.push(this.host.call(callable, args));
  }

  /** Attributes of a dict (`_metadata` of PyTorch's state dicts) say nothing about tensors. */
  build(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof Map) return;
    this.host.fail(
      "PICKLE_INVALID",
      `its pickle gives ${describePickled(target)} the state ${describePickled(state)}.`,
    );
  }

  persistent(id: PickleValue): void {
    this.push(this.host.persistent(id));
  }
}

function plainInteger(value: bigint): number | bigint {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
