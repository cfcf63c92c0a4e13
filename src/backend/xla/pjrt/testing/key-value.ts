/** @file What a client of several processes does with the callbacks that it is given. */
import { keyValueGetLayout, keyValuePutLayout, keyValueTryGetLayout, statusNames } from "../api-table.ts";
import type { NamedValue } from "../named-value.ts";
import type { Address } from "../native.ts";
import { readStruct, type StructLayout, writeStruct } from "../struct.ts";
import { type FakeMemory, Refusal, type Values } from "./memory.ts";

/**
 * Puts the process's own number, gets that of every process, and asks for what nobody has put.
 * @throws {Refusal} what the callbacks refuse with
 */
export function exchangeKeys(memory: FakeMemory, given: Values, options: ReadonlyMap<string, NamedValue>): void {
  const { native } = memory;
  const [own, count] = [options.get("node_id"), options.get("num_nodes")].map(Number);
  const makeError = native.callback("pipp", (code, message, size) =>
    memory.add({
      kind: "error",
      status: statusNames[code!]!,
      words: new Uint8Array(native.read(message!, size!)),
    }),
  );
  const errorCell = memory.place(new Uint8Array(BigUint64Array.from([BigInt(makeError.address)]).buffer));
  const call = (callback: Address, layout: StructLayout, values: Values): Values => {
    const view = new DataView(new ArrayBuffer(layout.stride));
    writeStruct(layout, { ...values, callbackError: errorCell }, view);
    const at = memory.place(new Uint8Array(view.buffer));
    const error = native.callAt(callback, "pp", at);
    const result = readStruct(layout, new DataView(native.read(at, layout.stride))) as Values;
    if (error === 0) return result;
    const { status, words } = memory.get("error", error);
    memory.drop("error", error);
    throw new Refusal(status, new TextDecoder().decode(words));
  };
  const key = (name: string): Values => {
    const { address, size } = memory.text(name);
    return { key: address, keySize: size };
  };
  try {
    const value = memory.text(`node ${own}`);
    const put = { ...key(`local:${own}`), value: value.address, valueSize: value.size };
    call(given.keyValuePut!, keyValuePutLayout, put);
    for (let node = 0; node < count!; node++) {
      const wanted = { ...key(`local:${node}`), timeoutMs: 2000 };
      const got = call(given.keyValueGet!, keyValueGetLayout, wanted);
      const words = native.readText(got.value!, got.valueSize!);
      native.callAt(got.valueDeleter!, "vp", got.value!);
      if (words !== `node ${node}`) memory.problems.push(`the store gave "${words}" for node ${node}`);
    }
    call(given.keyValueTryGet!, keyValueTryGetLayout, key("absent"));
    memory.problems.push("the store had what nobody had put");
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== "NOT_FOUND") throw error;
  } finally {
    makeError.release();
  }
}
