import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { failure } from "../../tests/support/failure.ts";
import { openSafetensors, openWeights, type TensorToWrite, writeSafetensors, writeWeights } from "./safetensors.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-safetensors-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A file from a header object and data bytes, without the writer under test. */
async function craft(header: string, dataBytes: number, claimedLength?: bigint): Promise<string> {
  const json = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, claimedLength ?? BigInt(json.length), true);
  bytes.set(json, 8);
  const path = join(folder, "crafted.safetensors");
  await writeFile(path, bytes);
  return path;
}

const everyDtype: readonly TensorToWrite[] = [
  { name: "f32", dtype: "F32", shape: [2, 2], data: new Float32Array([1.5, -0, Number.NaN, 1e-45]) },
  { name: "f64", dtype: "F64", shape: [2], data: new Float64Array([Math.PI, -1e300]) },
  { name: "f16", dtype: "F16", shape: [3], data: new Uint16Array([0x3c00, 0x8001, 0x7bff]) },
  { name: "bf16", dtype: "BF16", shape: [3], data: new Uint16Array([0x3f80, 0xc000, 0x0001]) },
  { name: "i64", dtype: "I64", shape: [2], data: new BigInt64Array([-(2n ** 63n), 5n]) },
  { name: "i32", dtype: "I32", shape: [1, 1], data: new Int32Array([-7]) },
  { name: "i16", dtype: "I16", shape: [3], data: new Int16Array([-1, 2, -3]) },
  { name: "i8", dtype: "I8", shape: [3], data: new Int8Array([-1, 2, -3]) },
  { name: "u8", dtype: "U8", shape: [5], data: new Uint8Array([1, 2, 3, 4, 255]) },
  { name: "bool", dtype: "BOOL", shape: [3], data: new Uint8Array([1, 0, 1]) },
  { name: "scalar", dtype: "F32", shape: [], data: new Float32Array([42]) },
  { name: "empty", dtype: "F32", shape: [0, 4], data: new Float32Array(0) },
  { name: "7", dtype: "U8", shape: [1], data: new Uint8Array([7]) },
  { name: "__proto__", dtype: "U8", shape: [1], data: new Uint8Array([9]) },
  { name: 'quote"\\ü', dtype: "U8", shape: [1], data: new Uint8Array([3]) },
];

describe("safetensors round trip", () => {
  it("keeps every bit of every dtype, odd names and empty tensors included", async () => {
    const path = join(folder, "all.safetensors");
    const digest = await writeSafetensors(path, everyDtype, { format: "pt", note: "ü" });
    const file = await openSafetensors(path);
    expect(digest.bytes).toBe((await stat(path)).size);
    expect(file.metadata).toEqual({ format: "pt", note: "ü" });
    expect([...file.names].sort()).toEqual(everyDtype.map((tensor) => tensor.name).sort());
    for (const tensor of everyDtype) {
      const { dtype, shape, data } = await file.readStored(tensor.name);
      expect({ dtype, shape }).toEqual({ dtype: tensor.dtype, shape: tensor.shape });
      const given = tensor.data as Uint8Array;
      expect(Buffer.from(data.buffer)).toEqual(Buffer.from(given.buffer));
    }
    await file.close();
  });

  it("converts F16, BF16 and F64 to the float32 values they stand for (a shifted exponent or lost subnormal shows)", async () => {
    const path = join(folder, "half.safetensors");
    await writeSafetensors(path, everyDtype);
    const file = await openSafetensors(path);
    expect([...(await file.read("f16")).data]).toEqual([1, -(2 ** -24), 65504]);
    expect([...(await file.read("bf16")).data]).toEqual([1, -2, 2 ** -133]);
    expect([...(await file.read("f64")).data]).toEqual([Math.fround(Math.PI), Number.NEGATIVE_INFINITY]);
    const target = new Float32Array(3);
    await file.readInto("f16", target);
    expect(target[2]).toBe(65504);
    expect((await failure(file.readInto("f32", target))).code).toBe("TENSOR_MISMATCH");
    expect((await failure(file.read("f33"))).message).toContain('Did you mean "f32"?');
    await file.close();
  });

  it("rounds float32 to nearest, ties to even, when it writes F16 and BF16", async () => {
    const path = join(folder, "rounded.safetensors");
    const values = new Float32Array([1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 3 * 2 ** -25, Number.NaN]);
    await writeSafetensors(path, [{ name: "h", dtype: "F16", shape: [7], data: values }]);
    const file = await openSafetensors(path);
    const read = (await file.read("h")).data;
    expect([...read]).toEqual([1, 1 + 2 ** -9, 65504, Number.POSITIVE_INFINITY, 0, 2 ** -23, Number.NaN]);
    await file.close();
    const b16 = new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8, Number.NaN, 3.4e38]);
    await writeSafetensors(path, [{ name: "b", dtype: "BF16", shape: [4], data: b16 }]);
    const second = await openSafetensors(path);
    expect([...(await second.read("b")).data]).toEqual([1, 1 + 2 ** -6, Number.NaN, Number.POSITIVE_INFINITY]);
    await second.close();
  });

  it("places data so that every tensor is aligned to its element size", async () => {
    const path = join(folder, "aligned.safetensors");
    await writeSafetensors(path, everyDtype);
    const bytes = await readFile(path);
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    expect(start % 8).toBe(0);
    const file = await openSafetensors(path);
    const sizes: Record<string, number> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, I16: 2 };
    for (const name of file.names) expect(file.info(name).begin % (sizes[file.info(name).dtype] ?? 1)).toBe(0);
    await file.close();
  });

  it("fetches lazy tensors one at a time, in file order, also from shared memory", async () => {
    const shared = new Float32Array(new SharedArrayBuffer(4 * 3_000_000)).fill(0.25);
    shared[2_999_999] = 7;
    let fetched = 0;
    const lazy = [1, 2, 3].map((i) => ({
      name: `t${i}`,
      dtype: "F32" as const,
      shape: [3_000_000],
      data: async () => {
        fetched++;
        return shared;
      },
    }));
    const path = join(folder, "lazy.safetensors");
    await writeSafetensors(path, lazy);
    expect(fetched).toBe(3);
    const file = await openSafetensors(path);
    const target = new Float32Array(new SharedArrayBuffer(4 * 3_000_000));
    await file.readInto("t3", target);
    expect(target[0]).toBe(0.25);
    expect(target[2_999_999]).toBe(7);
    await file.close();
  });

  it("refuses data that does not fit, and leaves no file behind", async () => {
    const path = join(folder, "bad.safetensors");
    const write = (tensor: TensorToWrite) => failure(writeSafetensors(path, [tensor]));
    const short = await write({ name: "w", dtype: "F32", shape: [3], data: new Float32Array(2) });
    expect(short.message).toContain('"w" is F32[3], 3 elements, but its data has 2');
    expect((await write({ name: "w", dtype: "I32", shape: [2], data: new Float32Array(2) })).code).toBe(
      "TENSOR_MISMATCH",
    );
    const twice = { name: "w", dtype: "F32", shape: [1], data: new Float32Array(1) } as const;
    expect((await failure(writeSafetensors(path, [twice, twice]))).code).toBe("TENSOR_NAME");
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("damaged safetensors files", () => {
  const f32 = (shape: string, range: string) => `{"dtype":"F32","shape":${shape},"data_offsets":${range}}`;
  const cases: readonly [name: string, header: string, dataBytes: number, code: string, says: string][] = [
    ["range and shape that disagree", `{"w":${f32("[3]", "[0,8]")}}`, 8, "SAFETENSORS_SIZE", '"w" is F32[3], 12 bytes'],
    [
      "overlap",
      `{"a":${f32("[2]", "[0,8]")},"b":${f32("[2]", "[4,12]")}}`,
      12,
      "SAFETENSORS_OVERLAP",
      'inside tensor "a"',
    ],
    ["gap", `{"a":${f32("[1]", "[0,4]")},"b":${f32("[1]", "[8,12]")}}`, 12, "SAFETENSORS_GAP", '"b" begins at byte 8'],
    ["gap at the start", `{"a":${f32("[1]", "[4,8]")}}`, 8, "SAFETENSORS_GAP", '"a" begins at byte 4'],
    ["cut-off data", `{"a":${f32("[4]", "[0,16]")}}`, 15, "SAFETENSORS_TRUNCATED", '"a" ends at byte 16'],
    ["bytes left over", `{"a":${f32("[1]", "[0,4]")}}`, 9, "SAFETENSORS_TRAILING", "5 bytes follow"],
    [
      "duplicate name",
      `{"a":${f32("[1]", "[0,4]")},"a":${f32("[1]", "[0,4]")}}`,
      4,
      "SAFETENSORS_DUPLICATE",
      '"a" occurs twice',
    ],
    ["unknown dtype", '{"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}', 1, "SAFETENSORS_DTYPE", "F8_E4M3"],
    [
      "prototype name as dtype",
      '{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}',
      1,
      "SAFETENSORS_DTYPE",
      "toString",
    ],
    ["negative size", `{"a":${f32("[-1]", "[0,4]")}}`, 4, "SAFETENSORS_SHAPE", "[-1]"],
    ["backward range", `{"a":${f32("[1]", "[4,0]")}}`, 4, "SAFETENSORS_RANGE", "[4,0]"],
    ["size overflow", `{"a":${f32("[9007199254740991,9007199254740991]", "[0,4]")}}`, 4, "SAFETENSORS_SIZE", '"a"'],
    ["missing range", '{"a":{"dtype":"F32","shape":[1]}}', 4, "SAFETENSORS_RANGE", '"a"'],
    ["not JSON", "{oops}", 0, "SAFETENSORS_HEADER", "key or } expected"],
    ["metadata not text", '{"__metadata__":{"a":1}}', 0, "SAFETENSORS_HEADER", "__metadata__.a"],
    ["not an object", "[]", 0, "SAFETENSORS_HEADER", 'begin with "{"'],
  ];
  it.each(cases)("names file and tensor: %s", async (_name, header, dataBytes, code, says) => {
    const path = await craft(header, dataBytes);
    const error = await failure(openSafetensors(path));
    expect(error.code).toBe(code);
    expect(error.message).toContain(path);
    expect(error.message).toContain(says);
  });

  it("refuses absurd and cut-off headers without allocating what they claim", async () => {
    expect((await failure(openSafetensors(await craft("{}", 0, 2n ** 63n)))).code).toBe("SAFETENSORS_HEADER_SIZE");
    expect((await failure(openSafetensors(await craft("{}", 0, 99_999_999n)))).code).toBe("SAFETENSORS_TRUNCATED");
    await writeFile(join(folder, "tiny"), "abc");
    expect((await failure(openSafetensors(join(folder, "tiny")))).code).toBe("SAFETENSORS_TRUNCATED");
    expect((await failure(openSafetensors(join(folder, "absent")))).code).toBe("MISSING_FILE");
    expect((await failure(openSafetensors(folder))).code).toBe("NOT_A_FILE");
  });

  it("finds every truncation of a good file, wherever it was cut", async () => {
    const path = join(folder, "whole.safetensors");
    await writeSafetensors(path, everyDtype.slice(0, 4));
    const bytes = await readFile(path);
    for (let length = 0; length < bytes.length; length += 5) {
      await writeFile(path, bytes.subarray(0, length));
      expect((await failure(openSafetensors(path))).code).toMatch(/^SAFETENSORS_/);
    }
  });
});

describe("sharded weights", () => {
  const tensors: TensorToWrite[] = [3, 4, 5, 50, 2].map((length, i) => ({
    name: `layer.${i}`,
    dtype: "F32",
    shape: [length],
    data: Float32Array.from({ length }, (_, j) => i * 100 + j),
  }));

  it("splits at maxShardBytes, reads back equal, and a later single save removes the shards", async () => {
    const files = await writeWeights(folder, tensors, { maxShardBytes: 40 });
    expect(files).toHaveLength(5);
    const index = JSON.parse(await readFile(join(folder, "model.safetensors.index.json"), "utf8"));
    expect(index.metadata.total_size).toBe(64 * 4);
    expect(index.weight_map["layer.1"]).toBe("model-00001-of-00004.safetensors");
    const weights = await openWeights(folder);
    expect(weights.names).toEqual(tensors.map((tensor) => tensor.name));
    for (const tensor of tensors) expect((await weights.read(tensor.name)).data).toEqual(tensor.data);
    await weights.close();
    expect(await writeWeights(folder, tensors)).toEqual(["model.safetensors"]);
    expect(await readdir(folder)).toEqual(["model.safetensors"]);
  });

  it("lists missing shards, tensors missing from a shard and tensors missing from the index, all at once", async () => {
    await writeWeights(folder, tensors, { maxShardBytes: 40 });
    await rm(join(folder, "model-00003-of-00004.safetensors"));
    const indexPath = join(folder, "model.safetensors.index.json");
    const index = JSON.parse(await readFile(indexPath, "utf8"));
    index.weight_map.ghost = "model-00001-of-00004.safetensors";
    delete index.weight_map["layer.2"];
    await writeFile(
      indexPath,
      JSON.stringify({ ...index, weight_map: { ...index.weight_map, "layer.4b": "model-00002-of-00004.safetensors" } }),
    );
    const error = await failure(openWeights(folder));
    expect(error.code).toBe("WEIGHTS_INDEX");
    expect(error.message).toContain("shard model-00003-of-00004.safetensors is missing");
    expect(error.message).toContain('tensor "ghost" is not in its shard model-00001');
    expect(error.message).toContain('tensor "layer.2" of shard model-00002-of-00004.safetensors is not in the index');
  });

  it("refuses an index that points out of its folder", async () => {
    const index = { weight_map: { w: "../outside.safetensors" } };
    await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify(index));
    expect((await failure(openWeights(folder))).message).toContain("in the same folder");
  });

  it("says what lies there when no weights do", async () => {
    await writeFile(join(folder, "tf_model.h5"), "");
    expect((await failure(openWeights(folder))).message).toContain("tf_model.h5: convert");
  });
});

const toy = new URL("../../../shared/models/bert-toy-tf-checkpoint/bert_model.safetensors", import.meta.url);
describe.skipIf(!existsSync(toy))("a file written by the reference implementation (../shared/models is there)", () => {
  it("reads, and writes back byte for byte", async () => {
    const file = await openSafetensors(toy.pathname);
    expect(file.info("bert/embeddings/position_embeddings").shape).toEqual([16, 4]);
    const tensors: TensorToWrite[] = file.names.map((name) => ({
      ...file.info(name),
      data: async () => (await file.readStored(name)).data,
    }));
    const path = join(folder, "copy.safetensors");
    await writeSafetensors(path, tensors, file.metadata);
    expect(await readFile(path)).toEqual(await readFile(toy));
    await file.close();
  });
});
