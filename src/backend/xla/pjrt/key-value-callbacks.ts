/** @file A key–value store as the callbacks that a plugin's client is created with. */
import { keyValueGetLayout, keyValuePutLayout, keyValueTryGetLayout, statusNames } from "./api-table.ts";
import type { StatusName } from "./error.ts";
import type { KeyValueStore } from "./key-value-store.ts";
import type { Address, Callback, Native } from "./native.ts";
import { readStruct, type StructLayout, writeStruct } from "./struct.ts";

/** Addresses of the three callbacks. */
export interface KeyValueCallbacks {
  readonly get: Address;
  readonly tryGet: Address;
  readonly put: Address;
  release(): void;
}

/** A value that a plugin is copying: it stays until the plugin says that it has it. */
class Lent {
  private readonly values = new Map<Address, ArrayBuffer>();
  readonly deleter: Callback;

  constructor(native: Native) {
    this.deleter = native.callback("vp", (address) => {
      this.values.delete(address!);
      return undefined;
    });
  }

  lend(native: Native, value: Uint8Array): Address {
    // An empty value has an address too: none would mean that there is no value.
    const buffer = new ArrayBuffer(Math.max(1, value.length));
    new Uint8Array(buffer).set(value);
    const address = native.addressOf(buffer);
    this.values.set(address, buffer);
    return address;
  }
}

/** Lets a plugin use a store. The callbacks run in this thread, whichever of the plugin's threads calls. */
export function keyValueCallbacks(native: Native, store: KeyValueStore): KeyValueCallbacks {
  const lent = new Lent(native);
  let lastWords: Uint8Array = new Uint8Array(1);
  const fail = (callbackError: Address, status: StatusName, words: string): Address => {
    const bytes = new TextEncoder().encode(words);
    // They must live until the plugin has copied them.
    lastWords = bytes;
    // It is a pointer to a pointer to the function that makes the plugin's error.
    const [make] = native.readAddresses(callbackError, 1);
    return native.callAt(make!, "pipp", statusNames.indexOf(status), native.addressOf(lastWords.buffer), bytes.length);
  };
  const guarded = (callbackError: Address, work: () => Address): Address => {
    try {
      return work();
    } catch (error) {
      return fail(callbackError, "INTERNAL", error instanceof Error ? error.message : String(error));
    }
  };
  const answer = (layout: StructLayout, at: Address, value: Uint8Array): void => {
    const view = new DataView(native.read(at, layout.stride));
    const structBytes = Number(view.getBigUint64(0, true));
    const given = { value: lent.lend(native, value), valueSize: value.length, valueDeleter: lent.deleter.address };
    writeStruct(layout, given, view, 0, structBytes);
    native.write(at, new Uint8Array(view.buffer, 0, Math.min(layout.bytes, structBytes)));
  };
  const read = <L extends StructLayout>(layout: L, at: Address) =>
    readStruct(layout, new DataView(native.read(at, layout.stride))) as Readonly<Record<string, number>>;

  const get = native.callback("pp", (at) => {
    const { key, keySize, timeoutMs, callbackError } = read(keyValueGetLayout, at!);
    return guarded(callbackError!, () => {
      const name = native.readText(key!, keySize!);
      const value = store.get(name, timeoutMs!);
      if (value === undefined) return fail(callbackError!, "DEADLINE_EXCEEDED", `no ${name} after ${timeoutMs} ms`);
      answer(keyValueGetLayout, at!, value);
      return 0;
    });
  });
  const tryGet = native.callback("pp", (at) => {
    const { key, keySize, callbackError } = read(keyValueTryGetLayout, at!);
    return guarded(callbackError!, () => {
      const name = native.readText(key!, keySize!);
      const value = store.tryGet(name);
      if (value === undefined) return fail(callbackError!, "NOT_FOUND", `no ${name}`);
      answer(keyValueTryGetLayout, at!, value);
      return 0;
    });
  });
  const put = native.callback("pp", (at) => {
    const { key, keySize, value, valueSize, callbackError } = read(keyValuePutLayout, at!);
    return guarded(callbackError!, () => {
      store.put(native.readText(key!, keySize!), new Uint8Array(native.read(value!, valueSize!)));
      return 0;
    });
  });
  return {
    get: get.address,
    tryGet: tryGet.address,
    put: put.address,
    release: () => {
      for (const callback of [get, tryGet, put, lent.deleter]) callback.release();
    },
  };
}
