/**
 * @file Reads pickles as data. Nothing is executed: whatever a pickle names or calls is handed to a host, which knows a few
 * names and refuses all others.
 */

/** Something that only the host understands: a name, or what a call of it gives. */
export abstract class PickleObject {
  /** For messages. */
  abstract readonly description: string;
}

/** Lists and tuples are arrays. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleObject;

/** What a pickle's names, calls and outside references mean. */
export interface PickleHost {
  /** Refuses with an error of its own. */
  fail(code: string, message: string): never;
  /** @throws for a name it does not know */
  global(module: string, name: string): PickleObject;
  call(callable: PickleObject, args: readonly PickleValue[]): PickleValue;
  persistent(id: PickleValue): PickleValue;
}

/** The code of the error for a pickle that ends before its end. */
export const pickleTruncated = "PICKLE_TRUNCATED";

/** Longest line of a text operand, and largest whole number in bytes: what tensor files need, and some more. */
const maxLineBytes = 4096;
const maxIntegerBytes = 16;

/** What a value is, for messages. */
export function describePickled(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (value instanceof PickleObject) return value.description;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value === "string" ? `the text ${JSON.stringify(value.slice(0, 60))}` : `the ${typeof value} ${value}`;
}

/** One run of the stack machine that a pickle is a program for. */
class PickleMachine {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly host: PickleHost;
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

  run(): { readonly value: PickleValue; readonly end: number } {
    for (;;) {
      const at = this.take(1);
      const code = this.bytes[at]!;
      if (code === 0x2e) return { value: this.pop(), end: this.at };
      const operation = operations[code];
      if (operation === undefined) {
        const shown = code >= 0x21 && code < 0x7f ? `"${String.fromCharCode(code)}"` : `0x${code.toString(16)}`;
        this.host.fail(
          "PICKLE_OPCODE",
          `its pickle has the instruction ${shown} at byte ${at}, which no tensor file needs.`,
        );
      }
      operation(this);
    }
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

/** The instructions that tensor files are made of, by their byte. */
const operations: Readonly<Record<number, (m: PickleMachine) => void>> = {
  // Protocol and frames.
  128: (m) => m.u8(),
  149: (m) => m.u64(),
  // Stack and memory.
  40: (m) => m.mark(),
  48: (m) => m.pop(),
  49: (m) => m.popMark(),
  50: (m) => m.push(m.top()),
  104: (m) => m.get(m.u8()),
  106: (m) => m.get(m.u32()),
  103: (m) => m.get(Number(m.decimal())),
  113: (m) => m.put(m.u8()),
  114: (m) => m.put(m.u32()),
  112: (m) => m.put(Number(m.decimal())),
  148: (m) => m.memoize(),
  // Numbers and texts.
  78: (m) => m.push(null),
  136: (m) => m.push(true),
  137: (m) => m.push(false),
  73: (m) => m.push(m.decimal()),
  76: (m) => m.push(m.decimal()),
  74: (m) => m.push(m.i32()),
  75: (m) => m.push(m.u8()),
  77: (m) => m.push(m.u16()),
  138: (m) => m.push(m.integer(m.u8())),
  139: (m) => m.push(m.integer(m.u32())),
  70: (m) => m.push(Number(m.line())),
  71: (m) => m.push(m.f64()),
  84: (m) => m.push(m.text(m.u32())),
  85: (m) => m.push(m.text(m.u8())),
  86: (m) => m.push(m.line()),
  88: (m) => m.push(m.text(m.u32())),
  140: (m) => m.push(m.text(m.u8())),
  141: (m) => m.push(m.text(m.u64())),
  66: (m) => m.push(m.raw(m.u32())),
  67: (m) => m.push(m.raw(m.u8())),
  142: (m) => m.push(m.raw(m.u64())),
  // Tuples, lists and dicts.
  41: (m) => m.push([]),
  116: (m) => m.push(m.popMark()),
  133: (m) => m.tuple(1),
  134: (m) => m.tuple(2),
  135: (m) => m.tuple(3),
  93: (m) => m.push([]),
  108: (m) => m.push(m.popMark()),
  97: (m) => m.append([m.pop()]),
  101: (m) => m.append(m.popMark()),
  125: (m) => m.push(new Map()),
  100: (m) => m.dict(m.popMark()),
  115: (m) => {
    const value = m.pop();
    m.setItems([m.pop(), value]);
  },
  117: (m) => m.setItems(m.popMark()),
  // Names, calls, and what lies outside of the pickle.
  99: (m) => m.global(m.line(), m.line()),
  147: (m) => {
    const name = m.pop();
    m.global(m.pop(), name);
  },
  82: (m) => m.reduce(),
  129: (m) => m.reduce(),
  98: (m) => m.build(),
  81: (m) => m.persistent(m.pop()),
  80: (m) => m.persistent(m.line()),
};

/**
 * Reads one pickle.
 *
 * Takes time and memory in proportion to its bytes; what it holds may refer to itself.
 * @param start where it begins
 * @returns its value, and where it ends
 * @throws what the host's `fail` throws: PICKLE_TRUNCATED, PICKLE_OPCODE, PICKLE_INVALID, and the host's own refusals
 * @source Python's `pickletools`, protocols 0 to 5
 */
export function readPickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
): { readonly value: PickleValue; readonly end: number } {
  return new PickleMachine(bytes, start, host).run();
}
