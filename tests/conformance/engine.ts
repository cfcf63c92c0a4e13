/** @file The engines under test, and what every suite does with them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { afterAll, describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import { createOneDnnBackend, type OneDnnBackendOptions } from "../../src/backend/onednn/onednn-backend.ts";
import { createOnnxBackend, type OnnxBackendOptions } from "../../src/backend/onnx/onnx-backend.ts";
import { createReferenceBackend } from "../../src/backend/reference/reference-backend.ts";
import { BackendError } from "../../src/base/errors.ts";
import { tensorType } from "../../src/ir/shape.ts";
import { add } from "../../src/tensor/elementwise.ts";
import { matmul } from "../../src/tensor/linear-algebra.ts";
import { trace } from "../../src/tensor/trace.ts";
import { absentCodes, openXla, xla } from "../support/backends.ts";
import { testXla } from "../support/xla-executor.ts";

/** Two threads: what one thread computes right, two may not. */
const threads = 2;

export interface Engine {
  readonly name: string;
  readonly open: () => Promise<Backend>;
  /** Shows that this very engine computes, and no stand-in. */
  readonly prove: () => Promise<void>;
}

/** A product whose result is known, with a term that only double precision can see. */
async function smallProduct(backend: Backend): Promise<number> {
  const type = tensorType("f32", [1, 1]);
  const graph = trace("proof", { a: type, b: type }, ({ a, b }) => ({ y: add(matmul(a, b), 2 ** -30) }));
  const [a, b, y] = [backend.allocate(type), backend.allocate(type), backend.allocate(type)];
  a.write(Float32Array.of(3));
  b.write(Float32Array.of(5));
  const executable = await backend.compile(graph);
  await executable.run([a, b], [y]);
  await executable.dispose();
  return (await y.read())[0]!;
}

const reference = (precision: "f64" | "f32"): Engine => ({
  name: `reference ${precision}`,
  open: async () => createReferenceBackend({ precision }),
  prove: async () => {
    const backend = createReferenceBackend({ precision });
    expect(backend.name).toBe("reference");
    expect(await smallProduct(backend)).toBe(precision === "f64" ? 15 + 2 ** -30 : 15);
  },
});

const onnx = (binding: NonNullable<OnnxBackendOptions["binding"]>): Engine => ({
  name: `onnx through ${binding}`,
  open: () => createOnnxBackend({ binding, threads }),
  prove: async () => {
    // ONNX Runtime's own trace of the operators it ran.
    const folder = mkdtempSync(join(tmpdir(), "firth-proof-"));
    const backend = await createOnnxBackend({ binding, threads, profileFilePrefix: join(folder, "trace") });
    try {
      expect(backend.name).toBe("onnx");
      expect(await smallProduct(backend)).toBe(15);
      await backend.dispose();
      const traces = readdirSync(folder).map((file) => readFileSync(join(folder, file), "utf8"));
      expect(traces.join("\n")).toMatch(/"op_name"\s*:\s*"\w*(?:MatMul|Gemm)"/);
      expect(traces.join("\n")).toContain("CPUExecutionProvider");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
});

const onednn = (name: string, options: OneDnnBackendOptions): Engine => ({
  name,
  open: () => createOneDnnBackend({ ...options, threads }),
  prove: async () => {
    const backend = await createOneDnnBackend({ ...options, threads });
    try {
      expect(backend.name).toBe("onednn");
      expect(await smallProduct(backend)).toBe(15);
      // The library's own names of what it runs, for a product large enough that its plain loops are refused.
      const type = tensorType("f32", [256, 256]);
      const executable = await backend.compile(trace("proof", { a: type }, ({ a }) => ({ y: matmul(a, a) })));
      expect(executable.program.implementations).toEqual([expect.stringMatching(/^(brg|gemm|jit|x64)/)]);
      await executable.dispose();
    } finally {
      await backend.dispose();
    }
  },
});

const xlaEngine: Engine = {
  name: "XLA",
  open: async () => {
    if (xla.missing !== undefined) throw new BackendError(xla.missing, { code: "XLA_LIBRARY_MISSING" });
    return openXla();
  },
  prove: async () => {
    const backend = await openXla();
    try {
      const { library, platform } = backend.executor.facts;
      expect(["pjrt", "tensorflow"]).toContain(library);
      expect(backend.name).toBe(`xla:${platform}`);
      expect(await smallProduct(backend)).toBe(15);
    } finally {
      await backend.dispose();
    }
  },
};

/** The engine alone, over an executor that interprets its graphs and is strict about arrays that are gone. */
const interpretedXla: Engine = {
  name: "XLA, interpreted",
  open: async () => testXla().backend,
  prove: async () => {
    const { backend, log } = testXla();
    expect(backend.name).toBe("xla:test");
    expect(await smallProduct(backend)).toBe(15);
    expect(log).toContain("run proof");
  },
};

/** A library of the other major version, where the variable says where one lies. */
const otherLibrary = env.FIRTH_TEST_ONEDNN3;

const engines = [
  reference("f64"),
  reference("f32"),
  onnx("c-api"),
  onnx("onnxruntime-node"),
  onednn("oneDNN", {}),
  ...(otherLibrary === undefined ? [] : [onednn("oneDNN 3", { libraryPath: otherLibrary })]),
  xlaEngine,
];

async function tryOpen(engine: Engine): Promise<Backend | string> {
  try {
    return await engine.open();
  } catch (error) {
    if (error instanceof BackendError && absentCodes.includes(error.code)) return error.message;
    throw error;
  }
}

const opened = await Promise.all(engines.map(async (engine) => ({ engine, backend: await tryOpen(engine) })));

type Define = (backend: Backend, engine: Engine) => void;
type Opened = { readonly engine: Engine; readonly backend: Backend | string };

/** Defines the same tests for every engine that runs here; the others are skipped with their reason. */
export function forEachEngine(define: Define): void {
  defineFor(opened, define);
}

/** As `forEachEngine`, and for the XLA engine without a library, which computes as the interpreter does. */
export function forEachEngineAndInterpretedXla(define: Define): void {
  defineFor([...opened, { engine: interpretedXla, backend: testXla().backend }], define);
}

function defineFor(all: readonly Opened[], define: Define): void {
  for (const { engine, backend } of all) {
    if (typeof backend === "string") {
      describe.skip(`${engine.name} (cannot run here: ${backend})`, () => {
        it("is skipped", () => undefined);
      });
      continue;
    }
    describe(engine.name, () => {
      afterAll(() => backend.dispose());
      define(backend, engine);
    });
  }
}
