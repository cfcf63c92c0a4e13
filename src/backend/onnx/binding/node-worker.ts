/**
 * Program of the worker thread that runs onnxruntime-node, whose calls block the thread they are made on.
 */
import { parentPort } from "node:worker_threads";
import {
  env,
  type InferenceSession,
  listSupportedBackends,
  InferenceSession as Sessions,
  Tensor,
} from "onnxruntime-node";
import { ELEMENT_TYPES, type OnnxElementType } from "../proto/element-type.ts";
import type { OrtSessionOptions, OrtValueSpec } from "./binding.ts";
import type {
  RegionMessage,
  WorkerRequest,
  WorkerRequestMessage,
  WorkerResponse,
  WorkerResults,
} from "./node-protocol.ts";

// Node 24 has Float16Array, which onnxruntime-common takes for float16 but the native binding does not know: without
// it both sides use Uint16Array, as on older versions. This worker runs nothing else.
Reflect.deleteProperty(globalThis, "Float16Array");

interface WorkerRun {
  readonly session: InferenceSession;
  /** Private memory that the engine reads, since it refuses shared buffers. */
  readonly inputs: readonly { readonly region: RegionMessage; readonly bytes: Uint8Array; readonly tensor: Tensor }[];
  readonly outputs: readonly RegionMessage[];
}

const sessions = new Map<number, InferenceSession>();
const runs = new Map<number, WorkerRun>();
let nextSession = 1;

function elements(dtype: OnnxElementType, buffer: ArrayBuffer): Tensor["data"] {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer);
    case "f64":
      return new Float64Array(buffer);
    case "i8":
      return new Int8Array(buffer);
    case "i16":
      return new Int16Array(buffer);
    case "i32":
      return new Int32Array(buffer);
    case "i64":
      return new BigInt64Array(buffer);
    case "u8":
    case "bool":
      return new Uint8Array(buffer);
    case "u32":
      return new Uint32Array(buffer);
    case "u64":
      return new BigUint64Array(buffer);
    default:
      return new Uint16Array(buffer);
  }
}

function createInput(region: RegionMessage): WorkerRun["inputs"][number] {
  const buffer = new ArrayBuffer(region.byteLength);
  const type = ELEMENT_TYPES[region.dtype].ortName as "float32";
  const tensor = new Tensor(type, elements(region.dtype, buffer) as Float32Array, region.shape);
  const { data } = tensor;
  return { region, tensor, bytes: bytesOf(data) };
}

function bytesOf(data: Tensor["data"]): Uint8Array {
  if (!ArrayBuffer.isView(data)) {
    throw new Error("string tensors are not supported");
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function specs(metadata: readonly InferenceSession.ValueMetadata[]): OrtValueSpec[] {
  return metadata.map((value) => {
    const found = Object.entries(ELEMENT_TYPES).find(([, facts]) => value.isTensor && facts.ortName === value.type);
    if (!value.isTensor || found === undefined) {
      throw new Error(`the type of "${value.name}" is not supported by onnxruntime-node`);
    }
    const shape = value.shape.map((size) => (typeof size === "number" ? size : -1));
    return { name: value.name, dtype: found[0] as OnnxElementType, shape };
  });
}

function sessionOptions(options: OrtSessionOptions): InferenceSession.SessionOptions {
  return {
    executionProviders: ["cpu"],
    executionMode: "sequential",
    intraOpNumThreads: options.intraOpThreads,
    interOpNumThreads: 1,
    graphOptimizationLevel: options.graphOptimization === "off" ? "disabled" : (options.graphOptimization ?? "all"),
    enableCpuMemArena: options.memoryArena ?? true,
    enableMemPattern: options.memoryPattern ?? true,
    logSeverityLevel: 4,
    ...(options.profileFilePrefix === undefined
      ? {}
      : { enableProfiling: true, profileFilePrefix: options.profileFilePrefix }),
    ...(options.config === undefined ? {} : { extra: options.config }),
  };
}

async function run({ session, inputs, outputs }: WorkerRun, copies: readonly (ArrayBuffer | null)[]) {
  const feeds: Record<string, Tensor> = {};
  inputs.forEach(({ region, bytes, tensor }, index) => {
    const source = region.shared
      ? new Uint8Array(region.shared.buffer, region.shared.byteOffset, region.byteLength)
      : new Uint8Array(copies[index]!);
    bytes.set(source);
    feeds[session.inputNames[index]!] = tensor;
  });
  const results = await session.run(feeds);
  return outputs.map((region, index) => {
    const bytes = bytesOf(results[session.outputNames[index]!]!.data);
    if (bytes.byteLength !== region.byteLength) {
      throw new Error(
        `output "${session.outputNames[index]}" has ${bytes.byteLength} bytes, its region ${region.byteLength}`,
      );
    }
    if (region.shared === null) {
      return new Uint8Array(bytes).buffer;
    }
    new Uint8Array(region.shared.buffer, region.shared.byteOffset, region.byteLength).set(bytes);
    return null;
  });
}

async function handle(request: WorkerRequest): Promise<WorkerResults[keyof WorkerResults]> {
  switch (request.op) {
    case "open":
      env.logLevel = "fatal";
      return { version: env.versions.node ?? "unknown", providers: listSupportedBackends().map(({ name }) => name) };
    case "create": {
      const session = await Sessions.create(request.model, sessionOptions(request.options));
      try {
        const result = { inputs: specs(session.inputMetadata), outputs: specs(session.outputMetadata) };
        const id = nextSession++;
        sessions.set(id, session);
        return { session: id, ...result };
      } catch (error) {
        await session.release();
        throw error;
      }
    }
    case "bind":
      runs.set(request.run, {
        session: sessions.get(request.session)!,
        inputs: request.inputs.map(createInput),
        outputs: request.outputs,
      });
      return null;
    case "run":
      return run(runs.get(request.run)!, request.inputs);
    case "unbind":
      runs.delete(request.run);
      return null;
    case "release":
      await sessions.get(request.session)?.release();
      sessions.delete(request.session);
      return null;
    case "close":
      parentPort!.close();
      return null;
  }
}

async function answer(message: WorkerRequestMessage): Promise<void> {
  let response: WorkerResponse;
  try {
    response = { id: message.id, ok: true, value: await handle(message) };
  } catch (error) {
    response = { id: message.id, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  const moved = response.ok && Array.isArray(response.value) ? response.value : [];
  parentPort?.postMessage(
    response,
    moved.filter((buffer) => buffer instanceof ArrayBuffer),
  );
}

let last: Promise<void> = Promise.resolve();
parentPort?.on("message", (message: WorkerRequestMessage) => {
  last = last.then(() => answer(message));
});
