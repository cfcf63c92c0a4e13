import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { crc32c, frameRecord, maskedCrc32c } from "./crc32c.ts";
import { openTensorboard } from "./tensorboard.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-tensorboard-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Wire = Map<number, (bigint | Buffer)[]>;

/** Decodes one protobuf message by the wire format alone: varint, 64-bit, bytes and 32-bit fields by number. */
function decodeWire(bytes: Buffer): Wire {
  const fields: Wire = new Map();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const kind = key & 7;
    const value = kind === 0 ? varint() : take(kind === 1 ? 8 : kind === 5 ? 4 : Number(varint()));
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), value]);
  }
  return fields;
}

const message = (wire: Wire, field: number): Wire => decodeWire(wire.get(field)![0] as Buffer);
const text = (wire: Wire, field: number): string => String(wire.get(field)![0]);

function decodeEvents(bytes: Buffer): Wire[] {
  const events: Wire[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    events.push(decodeWire(data));
    at += 16 + length;
  }
  return events;
}

it("computes CRC-32C as RFC 3720 gives it (plain CRC-32 or a wrong polynomial differs)", () => {
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
});

it("frames the record that every TensorFlow event file begins with, byte for byte", () => {
  const event = Buffer.from("0900000000000000001a0d627261696e2e4576656e743a32", "hex");
  const framed = Buffer.from(frameRecord(event));
  expect(framed.subarray(0, 12).toString("hex")).toBe("1800000000000000a37f4b22");
});

it("writes scalars and texts that an independent decoder reads back, a zero among them (proto3 leaves plain zeros out)", async () => {
  let clock = 1_700_000_000_250;
  const writer = await openTensorboard(folder, { now: () => (clock += 1000), resumeStep: 41 });
  await writer.scalars(42, { "train/loss": 1.5, "train/rate": -0.25, "train/zero": 0 });
  await writer.text(2 ** 33, "recipe", "# ü");
  await writer.flush();
  writer.close();
  expect(writer.path).toBe(join(folder, "events.out.tfevents.1700000001.firth.250"));
  const [version, restart, scalars, note] = decodeEvents(await readFile(writer.path));
  expect(text(version!, 3)).toBe("brain.Event:2");
  expect(restart!.get(2)).toEqual([42n]);
  expect(message(restart!, 7).get(1)).toEqual([1n]);
  expect((scalars!.get(1)![0] as Buffer).readDoubleLE()).toBe(1_700_000_004.25);
  expect(scalars!.get(2)).toEqual([42n]);
  const values = message(scalars!, 5)
    .get(1)!
    .map((value) => decodeWire(value as Buffer));
  expect(values.map((value) => text(value, 1))).toEqual(["train/loss", "train/rate", "train/zero"]);
  expect(values.map((value) => (value.get(2)?.[0] as Buffer | undefined)?.readFloatLE())).toEqual([1.5, -0.25, 0]);
  expect(note!.get(2)).toEqual([2n ** 33n]);
  const value = message(message(note!, 5), 1);
  expect(text(value, 1)).toBe("recipe/text_summary");
  expect(text(message(message(value, 9), 1), 1)).toBe("text");
  expect(message(value, 8).get(1)).toEqual([7n]);
  expect(text(message(value, 8), 8)).toBe("# ü");
});
