import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ELEMENT_TYPES, type OnnxElementType } from "../proto/element-type.ts";
import { encodeModel } from "../proto/encode-model.ts";
import type { OnnxGraph } from "../proto/model.ts";
import type { MemoryRegion, OrtBinding } from "./binding.ts";
import { openOrtBinding } from "./open-binding.ts";
import { regionByteLength } from "./region.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const THREADS = { intraOpThreads: 2 };

function model(graph: Omit<OnnxGraph, "name">): Uint8Array {
  return encodeModel({ opsets: { "": 20 }, graph: { name: "test", ...graph } });
}

/** A region in fresh memory; shared memory of a WebAssembly.Memory when asked. */
function allocate(dtype: OnnxElementType, shape: readonly number[], shared = false): MemoryRegion {
  const bytes = 64 + regionByteLength({ buffer: new ArrayBuffer(0), byteOffset: 0, dtype, shape });
  const pages = Math.ceil(bytes / 65_536);
  const buffer = shared
    ? new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer
    : new ArrayBuffer(bytes);
  return { buffer, byteOffset: 64, dtype, shape };
}

function floats(region: MemoryRegion): Float32Array {
  return new Float32Array(
    region.buffer,
    region.byteOffset,
    region.shape.reduce((a, b) => a * b, 1),
  );
}

const matMul = model({
  inputs: [
    { name: "x", dtype: "f32", shape: [2, 3] },
    { name: "w", dtype: "f32", shape: [3, 2] },
  ],
  outputs: [{ name: "y", dtype: "f32", shape: [2, 2] }],
  nodes: [{ opType: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
});

/** Multiplies a square matrix by itself many times: long enough to be met in flight. */
function longModel(size: number, steps: number): Uint8Array {
  const names = ["x", ...Array.from({ length: steps - 1 }, (_, i) => `h${i}`), "y"];
  return model({
    inputs: [{ name: "x", dtype: "f32", shape: [size, size] }],
    outputs: [{ name: "y", dtype: "f32", shape: [size, size] }],
    nodes: Array.from({ length: steps }, (_, i) => ({
      opType: "MatMul",
      inputs: [names[i]!, "x"],
      outputs: [names[i + 1]!],
    })),
  });
}

describe.each(["c-api", "onnxruntime-node"] as const)("OrtBinding through %s", (kind) => {
  let ort: OrtBinding;

  beforeAll(async () => {
    ort = (await openOrtBinding({ binding: kind })).binding;
  });

  afterAll(() => ort.dispose());

  it("is the binding that was asked for, with the engine's version and a CPU provider", () => {
    expect(ort.kind).toBe(kind);
    expect(ort.version).toMatch(/^1\.\d+\.\d+$/);
    expect(ort.providers.some((name) => /cpu/i.test(name))).toBe(true);
  });

  // Catches swapped inputs, results left in the engine's own memory, and values frozen at bind time.
  it.each([false, true])("multiplies matrices in the caller's memory, shared: %s", async (shared) => {
    const session = await ort.createSession(matMul, THREADS);
    expect(session.inputs).toEqual([
      { name: "x", dtype: "f32", shape: [2, 3] },
      { name: "w", dtype: "f32", shape: [3, 2] },
    ]);
    expect(session.outputs).toEqual([{ name: "y", dtype: "f32", shape: [2, 2] }]);
    const [x, w, y] = [
      allocate("f32", [2, 3], shared),
      allocate("f32", [3, 2], shared),
      allocate("f32", [2, 2], shared),
    ];
    floats(x).set([1, 2, 3, 4, 5, 6]);
    floats(w).set([1, 0, 0, 1, 1, 1]);
    const run = session.bind([x, w], [y]);
    await run.run();
    expect([...floats(y)]).toEqual([4, 5, 10, 11]);
    floats(x)[0] = 101;
    await run.run();
    expect([...floats(y)]).toEqual([104, 5, 10, 11]);
    // the bytes around the region stay as they were
    expect(new Uint8Array(y.buffer, 0, 64).every((byte) => byte === 0)).toBe(true);
    await session.dispose();
  });

  // Catches outputs that the optimizer turns into aliases of inputs or of each other, and so never writes.
  it("writes outputs that are only other names of an input or of another output", async () => {
    const bytes = model({
      inputs: [{ name: "x", dtype: "f32", shape: [2, 2] }],
      outputs: [
        { name: "same", dtype: "f32", shape: [2, 2] },
        { name: "flat", dtype: "f32", shape: [4] },
        { name: "twice", dtype: "f32", shape: [2, 2] },
        { name: "twiceFlat", dtype: "f32", shape: [4] },
      ],
      initializers: { four: { dtype: "i64", shape: [1], data: new BigInt64Array([4n]) } },
      nodes: [
        { opType: "Identity", inputs: ["x"], outputs: ["same"] },
        { opType: "Reshape", inputs: ["x", "four"], outputs: ["flat"] },
        { opType: "Add", inputs: ["x", "x"], outputs: ["twice"] },
        { opType: "Reshape", inputs: ["twice", "four"], outputs: ["twiceFlat"] },
      ],
    });
    const session = await ort.createSession(bytes, THREADS);
    const x = allocate("f32", [2, 2]);
    const outputs = session.outputs.map((spec) => allocate(spec.dtype, spec.shape));
    floats(x).set([1, 2, 3, 4]);
    await session.bind([x], outputs).run();
    expect(outputs.map((output) => [...floats(output)])).toEqual([
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [2, 4, 6, 8],
      [2, 4, 6, 8],
    ]);
    await session.dispose();
  });

  // Catches a wrong type code or element size: the neighbours of a wrong size would be garbage.
  it("carries every element type both ways", async () => {
    const dtypes = (Object.keys(ELEMENT_TYPES) as OnnxElementType[]).filter(
      (dtype) => dtype !== "f32" && (kind === "c-api" || dtype !== "bf16"),
    );
    const bytes = model({
      inputs: [
        { name: "x", dtype: "f32", shape: [4] },
        ...dtypes.map((dtype) => ({ name: `in_${dtype}`, dtype, shape: [4] })),
      ],
      outputs: dtypes.flatMap((dtype) => [
        { name: `to_${dtype}`, dtype, shape: [4] },
        { name: `from_${dtype}`, dtype: "f32" as const, shape: [4] },
      ]),
      nodes: dtypes.flatMap((dtype) => [
        {
          opType: "Cast",
          inputs: ["x"],
          outputs: [`to_${dtype}`],
          attributes: { to: { int: ELEMENT_TYPES[dtype].code } },
        },
        {
          opType: "Cast",
          inputs: [`in_${dtype}`],
          outputs: [`from_${dtype}`],
          attributes: { to: { int: ELEMENT_TYPES.f32.code } },
        },
      ]),
    });
    const session = await ort.createSession(bytes, THREADS);
    const x = allocate("f32", [4]);
    floats(x).set([1, 0, 1, 1]);
    const inputs = dtypes.map((dtype) => allocate(dtype, [4]));
    const outputs = session.outputs.map((spec) => allocate(spec.dtype, spec.shape));
    const run = session.bind([x, ...inputs], outputs);
    await run.run();
    dtypes.forEach((_, index) => {
      const to = outputs[2 * index]!;
      const written = new Uint8Array(to.buffer, to.byteOffset, regionByteLength(to));
      const input = inputs[index]!;
      new Uint8Array(input.buffer, input.byteOffset, written.byteLength).set(written);
    });
    await run.run();
    dtypes.forEach((dtype, index) => {
      expect([...floats(outputs[2 * index + 1]!)], dtype).toEqual([1, 0, 1, 1]);
    });
    const i64 = outputs[2 * dtypes.indexOf("i64")]!;
    expect(new BigInt64Array(i64.buffer, i64.byteOffset, 4)).toEqual(new BigInt64Array([1n, 0n, 1n, 1n]));
    await session.dispose();
  });

  // Catches a scalar taken for an empty tensor and a crash on tensors without elements.
  it("binds scalars and empty tensors", async () => {
    const bytes = model({
      inputs: [
        { name: "scale", dtype: "f32", shape: [] },
        { name: "rows", dtype: "f32", shape: [0, 3] },
      ],
      outputs: [
        { name: "twice", dtype: "f32", shape: [] },
        { name: "scaled", dtype: "f32", shape: [0, 3] },
      ],
      nodes: [
        { opType: "Add", inputs: ["scale", "scale"], outputs: ["twice"] },
        { opType: "Mul", inputs: ["rows", "scale"], outputs: ["scaled"] },
      ],
    });
    const session = await ort.createSession(bytes, THREADS);
    const [scale, rows] = [allocate("f32", []), allocate("f32", [0, 3])];
    const [twice, scaled] = [allocate("f32", []), allocate("f32", [0, 3])];
    floats(scale)[0] = 4;
    await session.bind([scale, rows], [twice, scaled]).run();
    expect(floats(twice)[0]).toBe(8);
    await session.dispose();
  });

  it("reports a refused model with the engine's own message", async () => {
    const unknown = model({
      inputs: [{ name: "x", dtype: "f32", shape: [2] }],
      outputs: [{ name: "y", dtype: "f32", shape: [2] }],
      nodes: [{ opType: "NoSuchOperator", inputs: ["x"], outputs: ["y"] }],
    });
    await expect(ort.createSession(unknown, THREADS)).rejects.toMatchObject({
      name: "BackendError",
      code: "SESSION_REFUSED",
      message: expect.stringContaining("NoSuchOperator"),
    });
    await expect(ort.createSession(new Uint8Array([1, 2, 3]), THREADS)).rejects.toMatchObject({
      code: "SESSION_REFUSED",
      message: expect.stringContaining("protobuf"),
    });
  });

  // Catches a status that is ignored, after which the outputs of a failed run would be taken for results.
  it("reports a failed run with the engine's own message and can run again", async () => {
    const gather = model({
      inputs: [
        { name: "x", dtype: "f32", shape: [4] },
        { name: "index", dtype: "i64", shape: [1] },
      ],
      outputs: [{ name: "y", dtype: "f32", shape: [1] }],
      nodes: [{ opType: "Gather", inputs: ["x", "index"], outputs: ["y"] }],
    });
    const session = await ort.createSession(gather, THREADS);
    const [x, index, y] = [allocate("f32", [4]), allocate("i64", [1]), allocate("f32", [1])];
    floats(x).set([5, 6, 7, 8]);
    const indices = new BigInt64Array(index.buffer, index.byteOffset, 1);
    indices[0] = 9n;
    const run = session.bind([x, index], [y]);
    await expect(run.run()).rejects.toMatchObject({
      code: "RUN_FAILED",
      message: expect.stringContaining("out of data bounds"),
    });
    indices[0] = 2n;
    await run.run();
    expect(floats(y)[0]).toBe(7);
    await session.dispose();
  });

  // Catches regions that would make native code read or write outside the caller's memory.
  it("refuses regions that do not fit, before they reach the engine", async () => {
    const session = await ort.createSession(matMul, THREADS);
    const [x, w, y] = [allocate("f32", [2, 3]), allocate("f32", [3, 2]), allocate("f32", [2, 2])];
    const refusals: [string, MemoryRegion[], MemoryRegion[]][] = [
      ["REGION_COUNT", [x], [y]],
      ["REGION_SHAPE", [w, x], [y]],
      ["REGION_DTYPE", [allocate("i32", [2, 3]), w], [y]],
      ["REGION_BOUNDS", [x, w], [{ ...y, byteOffset: 128 }]],
      ["REGION_BOUNDS", [x, w], [{ ...y, byteOffset: -64 }]],
      ["REGION_ALIGNMENT", [x, w], [{ ...y, byteOffset: 62 }]],
      ["REGION_OVERLAP", [x, w], [{ ...x, shape: [2, 2], byteOffset: 64 + 20 - 16 }]],
    ];
    for (const [code, inputs, outputs] of refusals) {
      expect(() => session.bind(inputs, outputs), code).toThrow(expect.objectContaining({ code }));
    }
    expect(() => session.bind([w, x], [y])).toThrow(
      'onnxruntime.bind: input "x": shapes differ; the model has f32[2,3], the region f32[3,2].',
    );
    const run = session.bind([x, w], [y]);
    structuredClone(x.buffer, { transfer: [x.buffer as ArrayBuffer] });
    await expect(run.run()).rejects.toMatchObject({ code: "REGION_DETACHED" });
    await session.dispose();
  });

  // Catches state shared between bindings, and a session released under a run.
  it("runs two bindings of one session at once, and waits for them before it is disposed", async () => {
    const size = 192;
    const session = await ort.createSession(longModel(size, 60), { intraOpThreads: 1 });
    const bindings = [1, -1].map((sign) => {
      const [x, y] = [allocate("f32", [size, size], true), allocate("f32", [size, size], true)];
      // A diagonal matrix: its power is known, and the sign tells the two apart after an odd number of factors.
      for (let i = 0; i < size; i++) {
        floats(x)[i * size + i] = sign;
      }
      return { sign, y, run: session.bind([x], [y]) };
    });
    const running = bindings.map(({ run }) => run.run());
    await expect(bindings[0]!.run.run()).rejects.toMatchObject({ code: "RUN_IN_PROGRESS" });
    await Promise.all([session.dispose(), ...running]);
    for (const { sign, y } of bindings) {
      expect(floats(y)[size + 1]).toBe(sign);
      expect(floats(y)[1]).toBe(0);
    }
    await expect(bindings[0]!.run.run()).rejects.toMatchObject({ code: "RUN_DISPOSED" });
    expect(() => session.bind([], [])).toThrow(expect.objectContaining({ code: "SESSION_DISPOSED" }));
    await session.dispose();
  });

  // Catches bound memory that only native code still knows: the collector frees it, and runs write into free pages.
  it("keeps bound shared memory alive when nothing else does", async () => {
    const session = await ort.createSession(longModel(256, 3), THREADS);
    const bindAndForget = () => {
      const [x, y] = [allocate("f32", [256, 256], true), allocate("f32", [256, 256], true)];
      floats(x).fill(1 / 256);
      return { run: session.bind([x], [y]), result: new WeakRef(y.buffer) };
    };
    const { run, result } = bindAndForget();
    for (let round = 0; round < 5; round++) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      collectGarbage();
      for (let i = 0; i < 20; i++) {
        new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
      }
      const running = run.run();
      collectGarbage();
      await running;
    }
    const buffer = result.deref();
    expect(buffer).toBeDefined();
    const y = new Float32Array(buffer!, 64, 256 * 256);
    expect(y.every((value) => Math.abs(value - 1 / 256) < 1e-6)).toBe(true);
    await session.dispose();
  });

  it("stops a run in flight where it can, and runs whole afterwards", async () => {
    const size = 512;
    const session = await ort.createSession(longModel(size, 40), THREADS);
    const [x, y] = [allocate("f32", [size, size]), allocate("f32", [size, size])];
    for (let i = 0; i < size; i++) {
      floats(x)[i * size + i] = 1;
    }
    const run = session.bind([x], [y]);
    expect(run.terminate()).toBe(false);
    const stopped = run.run();
    await new Promise((resolve) => setImmediate(resolve));
    if (kind === "c-api") {
      expect(run.terminate()).toBe(true);
      await expect(stopped).rejects.toMatchObject({ code: "RUN_TERMINATED" });
      expect(floats(y)[size + 1]).toBe(0);
      await run.run();
    } else {
      expect(run.terminate()).toBe(false);
      await stopped;
    }
    expect(floats(y)[size + 1]).toBe(1);
    await session.dispose();
  });

  // Catches a hang: more callers than places, where the last ones are never let in.
  it("queues more runs than the engine may have at once", async () => {
    const session = await ort.createSession(matMul, THREADS);
    const results = Array.from({ length: 12 }, (_, i) => {
      const [x, w, y] = [allocate("f32", [2, 3]), allocate("f32", [3, 2]), allocate("f32", [2, 2])];
      floats(x).fill(i);
      floats(w).fill(1);
      return { y, done: session.bind([x, w], [y]).run() };
    });
    await Promise.all(results.map(({ done }) => done));
    expect(results.map(({ y }) => floats(y)[3])).toEqual(results.map((_, i) => 3 * i));
    await session.dispose();
  });

  // Catches options that are dropped on their way to the engine.
  it("hands on engine settings, and writes a profile when asked", async () => {
    const config = { "session.intra_op_thread_affinities": "nonsense" };
    await expect(ort.createSession(matMul, { ...THREADS, config })).rejects.toMatchObject({ code: "SESSION_REFUSED" });
    const folder = mkdtempSync(join(tmpdir(), "firth-profile-"));
    const session = await ort.createSession(matMul, { ...THREADS, profileFilePrefix: join(folder, "profile") });
    const outputs = session.outputs.map((spec) => allocate(spec.dtype, spec.shape));
    await session.bind([allocate("f32", [2, 3]), allocate("f32", [3, 2])], outputs).run();
    await session.dispose();
    const [file] = readdirSync(folder);
    expect(file).toMatch(/^profile.*\.json$/);
    expect(readFileSync(join(folder, file!), "utf8")).toContain("MatMul");
    rmSync(folder, { recursive: true });
  });

  it("refuses sessions after it is disposed, and may be disposed twice", async () => {
    const { binding } = await openOrtBinding({ binding: kind });
    await binding.createSession(matMul, THREADS);
    await binding.dispose();
    await binding.dispose();
    await expect(binding.createSession(matMul, THREADS)).rejects.toMatchObject({ code: "BINDING_DISPOSED" });
  });
});
