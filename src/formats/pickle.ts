/**
 * @file Reads pickles as data. Nothing is executed: whatever a pickle names or calls is handed to a host, which knows a few
 * names and refuses all others.
 */

import { PickleMachine } from "./pickle-machine.ts";
import type { PickleHost, PickleValue } from "./pickle-value.ts";

/** The instructions that tensor files are made of: byte, name in `pickletools`, what it does. */
const instructions: readonly (readonly [code: number, name: string, run: (m: PickleMachine) => void])[] = [
  // Protocol and frames.
  [0x80, "PROTO", (m) => m.u8()],
  [0x95, "FRAME", (m) => m.u64()],
  // Stack and memory.
  [0x28, "MARK", (m) => m.mark()],
  [0x30, "POP", (m) => m.pop()],
  [0x31, "POP_MARK", (m) => m.popMark()],
  [0x32, "DUP", (m) => m.push(m.top())],
  [0x68, "BINGET", (m) => m.get(m.u8())],
  [0x6a, "LONG_BINGET", (m) => m.get(m.u32())],
  [0x67, "GET", (m) => m.get(Number(m.decimal()))],
  [0x71, "BINPUT", (m) => m.put(m.u8())],
  [0x72, "LONG_BINPUT", (m) => m.put(m.u32())],
  [0x70, "PUT", (m) => m.put(Number(m.decimal()))],
  [0x94, "MEMOIZE", (m) => m.memoize()],
  // Numbers and texts.
  [0x4e, "NONE", (m) => m.push(null)],
  [0x88, "NEWTRUE", (m) => m.push(true)],
  [0x89, "NEWFALSE", (m) => m.push(false)],
  [0x49, "INT", (m) => m.push(m.decimal())],
  [0x4c, "LONG", (m) => m.push(m.decimal())],
  [0x4a, "BININT", (m) => m.push(m.i32())],
  [0x4b, "BININT1", (m) => m.push(m.u8())],
  [0x4d, "BININT2", (m) => m.push(m.u16())],
  [0x8a, "LONG1", (m) => m.push(m.integer(m.u8()))],
  [0x8b, "LONG4", (m) => m.push(m.integer(m.u32()))],
  [0x46, "FLOAT", (m) => m.push(Number(m.line()))],
  [0x47, "BINFLOAT", (m) => m.push(m.f64())],
  [0x54, "BINSTRING", (m) => m.push(m.text(m.u32()))],
  [0x55, "SHORT_BINSTRING", (m) => m.push(m.text(m.u8()))],
  [0x56, "UNICODE", (m) => m.push(m.line())],
  [0x58, "BINUNICODE", (m) => m.push(m.text(m.u32()))],
  [0x8c, "SHORT_BINUNICODE", (m) => m.push(m.text(m.u8()))],
  [0x8d, "BINUNICODE8", (m) => m.push(m.text(m.u64()))],
  [0x42, "BINBYTES", (m) => m.push(m.raw(m.u32()))],
  [0x43, "SHORT_BINBYTES", (m) => m.push(m.raw(m.u8()))],
  [0x8e, "BINBYTES8", (m) => m.push(m.raw(m.u64()))],
  // Tuples, lists and dicts.
  [0x29, "EMPTY_TUPLE", (m) => m.push([])],
  [0x74, "TUPLE", (m) => m.push(m.popMark())],
  [0x85, "TUPLE1", (m) => m.tuple(1)],
  [0x86, "TUPLE2", (m) => m.tuple(2)],
  [0x87, "TUPLE3", (m) => m.tuple(3)],
  [0x5d, "EMPTY_LIST", (m) => m.push([])],
  [0x6c, "LIST", (m) => m.push(m.popMark())],
  [0x61, "APPEND", (m) => m.append([m.pop()])],
  [0x65, "APPENDS", (m) => m.append(m.popMark())],
  [0x7d, "EMPTY_DICT", (m) => m.push(new Map())],
  [0x64, "DICT", (m) => m.dict(m.popMark())],
  [
    0x73,
    "SETITEM",
    (m) => {
      const value = m.pop();
      m.setItems([m.pop(), value]);
    },
  ],
  [0x75, "SETITEMS", (m) => m.setItems(m.popMark())],
  // Names, calls, and what lies outside of the pickle.
  [0x63, "GLOBAL", (m) => m.global(m.line(), m.line())],
  [
    0x93,
    "STACK_GLOBAL",
    (m) => {
      const name = m.pop();
      m.global(m.pop(), name);
    },
  ],
  [0x52, "REDUCE", (m) => m.reduce()],
  [0x81, "NEWOBJ", (m) => m.reduce()],
  [0x62, "BUILD", (m) => m.build()],
  [0x51, "BINPERSID", (m) => m.persistent(m.pop())],
  [0x50, "PERSID", (m) => m.persistent(m.line())],
];

const operations = new Map(instructions.map(([code, , run]) => [code, run]));

/** Ends a pickle. */
const stop = 0x2e;

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
  const machine = new PickleMachine(bytes, start, host);
  for (;;) {
    const at = machine.position;
    const code = machine.u8();
    if (code === stop) return { value: machine.pop(), end: machine.position };
    const operation = operations.get(code);
    if (operation === undefined) {
      const shown = code >= 0x21 && code < 0x7f ? `"${String.fromCharCode(code)}"` : `0x${code.toString(16)}`;
      host.fail("PICKLE_OPCODE", `its pickle has the instruction ${shown} at byte ${at}, which no tensor file needs.`);
    }
    operation(machine);
  }
}
