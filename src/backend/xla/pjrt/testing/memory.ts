/** @file What every part of an imitated plugin works with: things behind handles, memory that it owns, what callers did wrong. */
import type { FunctionName } from "../api-table.ts";
import type { StatusName } from "../error.ts";
import type { Address, Native } from "../native.ts";
import { readStruct, type StructLayout } from "../struct.ts";

/** A struct's fields. */
export type Values = Readonly<Record<string, number>>;

/** A function of the plugin: what it gives of what it is given, or nothing. */
export type Handler = (given: Values) => Readonly<Record<string, number | boolean>> | undefined;
export type Handlers = Partial<Readonly<Record<FunctionName, Handler>>>;

/** A failure that the plugin answers with. */
export class Refusal extends Error {
  readonly status: StatusName;
  constructor(status: StatusName, words: string) {
    super(words);
    this.status = status;
  }
}

/** An array on a device. */
export interface FakeBuffer {
  readonly kind: "buffer";
  readonly type: number;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
  readonly device: Address;
  isDeleted: boolean;
  /** An error that the program which made it ended with. */
  readonly poison?: Refusal;
}
interface FakeEvent {
  readonly kind: "event";
  isReady: boolean;
  readonly poison?: Refusal;
}
interface FakeError {
  readonly kind: "error";
  readonly status: StatusName;
  readonly words: Uint8Array;
}
/** `add`, `negate`: one result; `donate N`: input N is consumed; `fail WORDS`: the results carry an error. */
export interface FakeProgram<K extends string> {
  readonly kind: K;
  readonly text: string;
  readonly partitions: number;
}
type Thing =
  | FakeBuffer
  | FakeEvent
  | FakeError
  | FakeProgram<"loaded">
  | FakeProgram<"executable">
  | FakeProgram<"serialized">
  | { readonly kind: "client" };
type Of<K extends Thing["kind"]> = Extract<Thing, { readonly kind: K }>;

export class FakeMemory {
  readonly native: Native;
  /** What callers did wrong. */
  readonly problems: string[] = [];
  /** Events stay open until somebody waits for them. */
  isSlow = false;
  /** Bytes that structs have grown by since. */
  private readonly laterBytes: number;
  private readonly things = new Map<Address, Thing>();
  private readonly placed: ArrayBufferLike[] = [];
  private lastHandle = 0x1000;

  constructor(native: Native, laterBytes: number) {
    this.native = native;
    this.laterBytes = laterBytes;
  }

  /** Things that nobody freed, by kind. */
  get alive(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { kind } of this.things.values()) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  /** An address that nothing else has. */
  handle(): Address {
    this.lastHandle += 16;
    return this.lastHandle;
  }

  add(thing: Thing): Address {
    const address = this.handle();
    this.things.set(address, thing);
    return address;
  }

  /** @throws {Refusal} where the address is that of nothing of its kind */
  get<K extends Thing["kind"]>(kind: K, address: Address | undefined): Of<K> {
    const thing = this.things.get(address ?? 0);
    if (thing?.kind === kind) return thing as Of<K>;
    this.problems.push(`${address} is no ${kind}`);
    throw new Refusal("INVALID_ARGUMENT", `${address} is no ${kind}`);
  }

  drop(kind: Thing["kind"], address: Address | undefined): undefined {
    this.get(kind, address);
    this.things.delete(address!);
    return undefined;
  }

  /** An event of work that is done, unless the plugin is slow. */
  event(poison?: Refusal): Address {
    return this.add({ kind: "event", isReady: !this.isSlow, ...(poison === undefined ? {} : { poison }) });
  }

  /** Bytes that live as long as the plugin. */
  place(bytes: Uint8Array): Address {
    const buffer = bytes.slice().buffer;
    this.placed.push(buffer);
    return this.native.addressOf(buffer);
  }

  text(words: string): { readonly address: Address; readonly size: number } {
    const bytes = new TextEncoder().encode(words);
    return { address: this.place(bytes), size: bytes.length };
  }

  int64s(address: Address | undefined, count: number | undefined): number[] {
    return Array.from(new BigInt64Array(this.native.read(address!, 8 * count!)), Number);
  }

  /** A struct of the caller's. @throws {Refusal} where it is shorter than the plugin knows it */
  struct(layout: StructLayout, at: Address | undefined, what: string): Values {
    const view = new DataView(this.native.read(at!, layout.stride));
    const structBytes = Number(view.getBigUint64(0, true));
    const least = layout.bytes + this.laterBytes;
    if (structBytes < least) {
      const words = `Unexpected ${what} size: expected ${least}, got ${structBytes}`;
      this.problems.push(words);
      throw new Refusal("INVALID_ARGUMENT", words);
    }
    if (view.getBigUint64(8, true) !== 0n) this.problems.push(`${what} has extensions`);
    return readStruct(layout, view) as Values;
  }
}
