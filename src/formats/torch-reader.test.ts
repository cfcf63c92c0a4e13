import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { CheckpointError } from "../base/errors.ts";
import { openWeights } from "./model-weights.ts";
import { openSafetensors } from "./safetensors-reader.ts";
import { storedDtypes } from "./stored-dtype.ts";
import { readStrided } from "./strided-read.ts";
import type { TensorFile } from "./tensor-file.ts";
import { openTorchFile } from "./torch-reader.ts";
import { readZipDirectory, zipDataStart } from "./zip-directory.ts";

const fixtures = fileURLToPath(new URL("../../tests/fixtures/torch/", import.meta.url));
const { names } = JSON.parse(readFileSync(join(fixtures, "fixture.json"), "utf8")) as { names: string[] };

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-torch-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function using<T>(file: TensorFile, work: (file: TensorFile) => Promise<T>): Promise<T> {
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

describe.each(["zip.bin", "legacy.bin"])("%s", (name) => {
  it("has every tensor bit for bit: views by their strides, tied ones twice (bug: storages read from their begin)", async () => {
    await using(await openSafetensors(join(fixtures, "expected.safetensors")), async (expected) => {
      await using(await openTorchFile(join(fixtures, name)), async (file) => {
        expect(file.names).toEqual(names);
        expect(expected.names.length).toBe(names.length);
        for (const tensor of names) {
          expect(await file.readStored(tensor), tensor).toEqual(await expected.readStored(tensor));
          expect(file.info(tensor).shape).toEqual(expected.info(tensor).shape);
        }
      });
    });
  });
  it("says which tensors share their memory (bug: a view of a part taken for the whole)", async () => {
    await using(await openTorchFile(join(fixtures, name)), async (file) => {
      expect([...file.tied!]).toEqual([["shared.tied", "shared.whole"]]);
    });
  });
  it("converts F16, BF16 and F64 as the safetensors reader does, and refuses other sizes and names", async () => {
    await using(await openSafetensors(join(fixtures, "expected.safetensors")), async (expected) => {
      await using(await openTorchFile(join(fixtures, name)), async (file) => {
        for (const tensor of ["f16", "bf16", "f64", "shared.column"]) {
          const { dtype, data } = await file.read(tensor);
          expect(dtype).toBe("F32");
          expect(data).toEqual((await expected.read(tensor)).data);
          const target = new Float32Array(data.length);
          await file.readInto(tensor, target);
          expect(target).toEqual(data);
        }
        expect((await failure(file.readInto("plain", new Float32Array(3)))).code).toBe("TENSOR_MISMATCH");
        expect((await failure(file.readInto("i32", new Float32Array(2)))).code).toBe("TENSOR_MISMATCH");
        expect((await failure(file.read("plane"))).message).toContain('Did you mean "plain"?');
      });
    });
  });
});

it("reads a plain dict and the dtypes that came later (bug: only OrderedDict, only typed storages)", async () => {
  await using(await openTorchFile(join(fixtures, "plain-dict.bin")), async (file) => {
    expect([...(await file.readStored("a")).data]).toEqual([0, 1, 2]);
    expect(await file.readStored("b")).toEqual({ dtype: "U16", shape: [4], data: Uint16Array.of(0, 1, 2, 3) });
  });
});

/** A zip whose entries begin behind 4 GiB of nothing, as zip64 has them. */
async function farZip(path: string, entries: readonly (readonly [string, Uint8Array])[]): Promise<void> {
  const handle = await open(path, "w");
  let at = 5 * 2 ** 30;
  const places: number[] = [];
  const put = async (bytes: Uint8Array): Promise<void> => {
    await handle.write(bytes, 0, bytes.length, at);
    at += bytes.length;
  };
  const record = (size: number, fields: readonly (readonly [number, number, 2 | 4 | 8])[], ...rest: Uint8Array[]) => {
    const head = Buffer.alloc(size);
    for (const [place, value, bytes] of fields) {
      if (bytes === 8) head.writeBigUInt64LE(BigInt(value), place);
      else head.writeUIntLE(value, place, bytes);
    }
    return Buffer.concat([head, ...rest]);
  };
  const [small, wide] = [0xffff, 0xffffffff];
  await handle.write("PK\x03\x04", 0);
  for (const [name, data] of entries) {
    places.push(at);
    // A field that the directory does not have, as PyTorch writes it for alignment.
    const padding = Buffer.alloc(11);
    await put(
      record(
        30,
        [
          [0, 0x04034b50, 4],
          [26, name.length, 2],
          [28, 11, 2],
        ],
        Buffer.from(name),
        padding,
        data,
      ),
    );
  }
  const begin = at;
  for (const [i, [name, data]] of entries.entries()) {
    const extra = record(28, [
      [0, 1, 2],
      [2, 24, 2],
      [4, data.length, 8],
      [12, data.length, 8],
      [20, places[i]!, 8],
    ]);
    const sizes = [
      [20, wide, 4],
      [24, wide, 4],
      [28, name.length, 2],
      [30, 28, 2],
      [42, wide, 4],
    ] as const;
    await put(record(46, [[0, 0x02014b50, 4], ...sizes], Buffer.from(name), extra));
  }
  const end = at;
  const numbers = [
    [32, entries.length, 8],
    [40, end - begin, 8],
    [48, begin, 8],
  ] as const;
  await put(record(56, [[0, 0x06064b50, 4], ...numbers]));
  await put(
    record(20, [
      [0, 0x07064b50, 4],
      [8, end, 8],
    ]),
  );
  await put(
    record(22, [
      [0, 0x06054b50, 4],
      [10, small, 2],
      [12, wide, 4],
      [16, wide, 4],
    ]),
  );
  await handle.close();
}

it("finds entries behind 4 GiB by range (bugs: 32-bit places; the whole file in memory)", async () => {
  const source = await open(join(fixtures, "plain-dict.bin"));
  const { size } = await source.stat();
  const entries = await readZipDirectory(source, size, "plain-dict.bin");
  const copies: [string, Uint8Array][] = [];
  for (const entry of entries.values()) {
    const bytes = new Uint8Array(entry.size);
    await source.read(bytes, 0, entry.size, await zipDataStart(source, entry, size, "plain-dict.bin"));
    copies.push([entry.name, bytes]);
  }
  await source.close();
  const path = join(folder, "far.bin");
  await farZip(path, copies);
  await using(await openTorchFile(path), async (file) => {
    expect([...(await file.readStored("a")).data]).toEqual([0, 1, 2]);
  });
  await rm(path);
});

it("reads a view that leaves most of its storage out in pieces (bug: the whole storage in memory)", async () => {
  const [rows, columns] = [9_000, 4_096];
  const storage = new Float32Array(rows * columns);
  for (let i = 0; i < storage.length; i++) storage[i] = i % 65_521;
  let largest = 0;
  const view = { dtype: "F32", offset: 5, shape: [rows - 1, 3], strides: [columns, 7] } as const;
  const data = await readStrided(view, async (bytes, position) => {
    largest = Math.max(largest, bytes.length);
    bytes.set(new Uint8Array(storage.buffer, position, bytes.length));
  });
  expect(largest).toBeLessThan(storage.byteLength / 4);
  const expected = Float32Array.from(
    { length: (rows - 1) * 3 },
    (_, i) => storage[5 + Math.floor(i / 3) * columns + (i % 3) * 7]!,
  );
  expect(data).toEqual(expected);
  expect(storedDtypes.F32.holds(data)).toBe(true);
});

const expectedCodes: readonly (readonly [RegExp, string, RegExp])[] = [
  [/^system/, "PICKLE_GLOBAL", /"(posix|nt)\.system"/],
  [/^eval/, "PICKLE_GLOBAL", /"(__builtin__|builtins)\.eval"/],
  [/^exec/, "PICKLE_GLOBAL", /"(__builtin__|builtins)\.exec"/],
  [/^load/, "PICKLE_GLOBAL", /"torch\.serialization\.load"/],
  [/^getattr/, "PICKLE_GLOBAL", /\.getattr"/],
  [/^import/, "PICKLE_GLOBAL", /\.__import__"/],
  [/^bytes/, "PICKLE_GLOBAL", /"torch\.storage\._load_from_bytes"/],
  [/^partial/, "PICKLE_GLOBAL", /\.getcwd"/],
  [/^view-(beyond|far|huge-repeat|overflowing)/, "PICKLE_SIZE", /storage "0"|repeats/],
  [/^view-(negative|huge-rank|mismatched)/, "PICKLE_INVALID", /storage "0"/],
  [/^view-(lying|other)/, "TORCH_STORAGE", /its entry (holds 16|is not there)/],
  [/^not-a-tensor/, "PICKLE_NOT_TENSORS", /entry "weight" is the text "text"/],
  [/^nested/, "PICKLE_NOT_TENSORS", /entry "state_dict" is a dict of 1/],
  [/^not-a-dict|^number-key/, "PICKLE_NOT_TENSORS", /must/],
  [/^compressed/, "ZIP_COMPRESSED", /data\.pkl/],
  [/^big-endian/, "TORCH_FORMAT", /big-endian/],
];

describe("hostile files", () => {
  it.each(readdirSync(join(fixtures, "hostile")))("%s is refused with its reason and a way out", async (name) => {
    const path = join(fixtures, "hostile", name);
    const error = await failure(openTorchFile(path));
    const expected = expectedCodes.find(([pattern]) => pattern.test(name));
    expect(error.code, error.message).toBe(expected?.[1]);
    expect(error.message).toMatch(expected![2]);
    expect(error.message.startsWith(`${path}: `)).toBe(true);
    expect(error.message).toMatch(/safetensors/);
    expect(existsSync("firth-was-here")).toBe(false);
  });
});

/** A legacy file is nothing but pickles, so instructions can be tried there one by one. */
async function openPickle(...parts: readonly (string | readonly number[])[]): Promise<TensorFile> {
  const path = join(folder, "crafted.bin");
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : Buffer.from(part)));
  await writeFile(path, Buffer.concat([Buffer.from([0x80, 2]), ...bytes]));
  return openTorchFile(path);
}
const u32 = (n: number): number[] => [n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >>> 24) & 255];

describe("pickles that abuse the machine", () => {
  const cases: readonly (readonly [string, readonly (string | readonly number[])[], string])[] = [
    ["an empty pickle", [], "PICKLE_TRUNCATED"],
    ["an end without a value", ["."], "PICKLE_INVALID"],
    ["a text longer than the file", ["X", u32(0xffffffff)], "PICKLE_TRUNCATED"],
    ["a text of 2^64 bytes", [[0x8d], Array(8).fill(255)], "PICKLE_TRUNCATED"],
    ["a number of a gigabyte", [[0x8b], u32(1 << 30)], "PICKLE_INVALID"],
    ["a number in a million digits", ["I", "9".repeat(1_000_000), "\n."], "PICKLE_INVALID"],
    ["memory that was never filled", [[0x6a], u32(7), "."], "PICKLE_INVALID"],
    ["memory under a huge number", ["N", [0x72], u32(0xffffffff), "."], "PICKLE_TRUNCATED"],
    ["a missing mark", ["t."], "PICKLE_INVALID"],
    ["marks a million deep", ["(".repeat(1_000_000), "."], "PICKLE_INVALID"],
    ["a list that holds itself", ["]q\0h\0a."], "PICKLE_TRUNCATED"],
    ["tuples a million deep", ["N", "\x85".repeat(1_000_000), "."], "PICKLE_TRUNCATED"],
    ["a dict that is its own key", ["}q\0h\0h\0s."], "PICKLE_TRUNCATED"],
    ["a class built by hand", ["(iposix\nsystem\n."], "PICKLE_OPCODE"],
    ["an object by its old instruction", ["(cposix\nsystem\no."], "PICKLE_GLOBAL"],
    ["an extension", [[0x82, 1], "."], "PICKLE_OPCODE"],
    ["keyword arguments", ["N", "N", "N", [0x92], "."], "PICKLE_OPCODE"],
    ["a name made of texts", [[0x8c, 5], "posix", [0x8c, 6], "system", [0x93], "."], "PICKLE_GLOBAL"],
    ["a name made of numbers", ["K\x01K\x02", [0x93], "."], "PICKLE_INVALID"],
    ["a call of a text", ["X", u32(1), "a)R."], "PICKLE_INVALID"],
    ["a call of a dtype", ["ctorch\nfloat32\n)R."], "PICKLE_INVALID"],
    ["a state for a tensor's type", ["ctorch\nFloatStorage\n}b."], "PICKLE_INVALID"],
    ["a name that every object has", ["c__proto__\nconstructor\n."], "PICKLE_GLOBAL"],
    ["a long name without an end", ["c", "x".repeat(10_000)], "PICKLE_INVALID"],
    ["a reference to a module", ["X", u32(6), "module\x85Q."], "PICKLE_INVALID"],
  ];
  it.each(cases)("%s", async (_, parts, code) => {
    const error = await failure(openPickle(...parts));
    expect(error.code, error.message).toBe(code);
  });

  it("costs no more than its bytes when one long list is used again and again (bug: quadratic time)", async () => {
    const list = `](${"(NNt".repeat(50_000)}e`;
    const uses = "ccollections\nOrderedDict\nh\0\x85R0".repeat(20_000);
    const began = performance.now();
    await failure(openPickle(list, "q\0", uses, "."));
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe("a damaged file", () => {
  it("is refused at every place it may be cut off (bug: a crash, or half a tensor)", async () => {
    for (const name of ["zip.bin", "legacy.bin"]) {
      const whole = await readFile(join(fixtures, name));
      const path = join(folder, "cut.bin");
      for (let length = 0; length < whole.length; length += 97) {
        await writeFile(path, whole.subarray(0, length));
        await failure(openTorchFile(path));
      }
    }
  });

  it("with changed bytes is read or refused, and never ends otherwise", async () => {
    const wholes = await Promise.all(["zip.bin", "legacy.bin"].map((name) => readFile(join(fixtures, name))));
    const path = join(folder, "changed.bin");
    const change = fc.record({
      at: fc.double({ min: 0, max: 0.999, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 9 }),
      insert: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(1), fc.array(change, { minLength: 1, maxLength: 4 }), async (which, changes) => {
        let bytes = Buffer.from(wholes[which]!);
        for (const { at, bytes: other, insert } of changes) {
          const place = Math.floor(at * bytes.length);
          const behind = bytes.subarray(place + (insert ? 0 : other.length));
          bytes = Buffer.concat([bytes.subarray(0, place), other, behind]);
        }
        await writeFile(path, bytes);
        try {
          await using(await openTorchFile(path), async (file) => {
            for (const name of file.names) await file.read(name);
          });
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("of random instructions is refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await failure(openPickle([...bytes]));
      }),
      { numRuns: 300 },
    );
  });
});

describe("a model directory", () => {
  it("takes PyTorch's file only where there is no safetensors, and its shards by their index", async () => {
    const model = await mkdtemp(join(folder, "model-"));
    await copyFile(join(fixtures, "plain-dict.bin"), join(model, "pytorch_model-00001-of-00002.bin"));
    await copyFile(join(fixtures, "legacy.bin"), join(model, "pytorch_model-00002-of-00002.bin"));
    const index = (map: Record<string, string>) =>
      writeFile(join(model, "pytorch_model.bin.index.json"), JSON.stringify({ weight_map: map }));
    const [first, second] = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
    await index({ a: first, b: first, ...Object.fromEntries(names.map((name) => [name, second])) });
    await using(await openWeights(model), async (file) => {
      expect(file.names.length).toBe(2 + names.length);
      expect([...(await file.read("a")).data]).toEqual([0, 1, 2]);
      expect((await file.readStored("i8")).data).toEqual(Int8Array.of(-5, 6));
    });
    await index({ a: "pytorch_model.bin.index.json" });
    const cyclic = await failure(openWeights(model));
    expect(cyclic.code).toBe("WEIGHTS_INDEX");
    expect(cyclic.message).toContain("weight_map.a must be in a file of tensors, not in the index");
    await copyFile(join(fixtures, "zip.bin"), join(model, "pytorch_model.bin"));
    await using(await openWeights(model), async (file) => expect(file.names).toEqual(names));
    await copyFile(join(fixtures, "expected.safetensors"), join(model, "model.safetensors"));
    await using(await openWeights(model), async (file) => expect(file.path).toMatch(/model\.safetensors$/));
  });
});
