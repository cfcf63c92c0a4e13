/**
 * Program of the engine thread: owns the library's threads, makes programs ready and runs them.
 *
 * Calls block this thread and no other. Messages are taken one after the other.
 */
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort } from "node:worker_threads";
import { BackendError, FirthError, internalError } from "../../base/errors.ts";
import { DnnEngine } from "./binding/engine.ts";
import { openLibrary } from "./binding/library.ts";
import { measureRate } from "./gemm-rate.ts";
import { ProgramInstance } from "./instance.ts";
import type { NativeRegion } from "./port.ts";
import type {
  EngineInfo,
  FixedMessage,
  RegionMessage,
  ThreadError,
  ThreadMessage,
  ThreadRequest,
  ThreadResponse,
  ThreadResults,
} from "./thread-protocol.ts";
import { type FixedRegion, type FixedWeights, WeightLayouts } from "./weight-layouts.ts";

interface Known {
  readonly buffer: SharedArrayBuffer;
  readonly address: number;
}

interface Ready {
  readonly instance: ProgramInstance;
  readonly numInputs: number;
  regions: readonly NativeRegion[];
}

let engine: DnnEngine | undefined;
let nextProgram = 1;
const programs = new Map<number, Ready>();
const memories = new Map<number, Known>();
/** Copies of fixed inputs, by set. */
const layouts = new Map<number, WeightLayouts>();

function opened(): DnnEngine {
  if (engine === undefined) throw internalError("the engine thread is asked before it was opened");
  return engine;
}

async function open(threads: number, libraryPath: string | undefined): Promise<EngineInfo> {
  const library = await openLibrary(libraryPath);
  const threadsSet = library.setThreads(threads);
  engine = new DnnEngine(library, threads);
  const { runtime } = library.facts;
  // TBB takes all processors.
  const taken = runtime === "sequential" ? 1 : availableParallelism();
  return { ...library.facts, threads: threadsSet ? threads : taken, threadsSet };
}

function find(id: number): Ready {
  const ready = programs.get(id);
  if (ready === undefined) throw internalError(`program ${id} is not known to the engine thread`);
  return ready;
}

function regionOf({ memory, byteOffset }: RegionMessage): NativeRegion {
  const known = memories.get(memory);
  if (known === undefined) throw internalError(`memory ${memory} is not known to the engine thread`);
  return { ...known, byteOffset };
}

function fixedWeights({ set, regions }: FixedMessage): FixedWeights {
  const copies = layouts.get(set) ?? new WeightLayouts(opened());
  layouts.set(set, copies);
  const fixed = regions.map((region): [number, FixedRegion] => [
    region.input,
    { ...regionOf(region), id: `${region.memory}:${region.byteOffset}` },
  ]);
  return { layouts: copies, regions: new Map(fixed) };
}

function run(id: number, regions: readonly RegionMessage[] | undefined): number {
  const ready = find(id);
  if (regions !== undefined) {
    ready.regions = regions.map(regionOf);
  }
  const start = performance.now();
  ready.instance.run(ready.regions.slice(0, ready.numInputs), ready.regions.slice(ready.numInputs));
  return (performance.now() - start) / 1000;
}

function close(): null {
  for (const { instance } of programs.values()) instance.dispose();
  programs.clear();
  for (const copies of layouts.values()) copies.dispose();
  layouts.clear();
  memories.clear();
  engine?.dispose();
  engine = undefined;
  // Nothing holds the thread any more: it ends by itself, and with it the library's own threads.
  parentPort!.close();
  return null;
}

async function handle(request: ThreadRequest): Promise<ThreadResults[keyof ThreadResults]> {
  switch (request.op) {
    case "open":
      return open(request.threads, request.libraryPath);
    case "compile": {
      const { program, fixed } = request;
      const instance = new ProgramInstance(opened(), program, fixed && fixedWeights(fixed));
      const id = nextProgram++;
      programs.set(id, { instance, numInputs: program.inputs.length, regions: [] });
      return { id, ...instance.facts };
    }
    case "run":
      return run(request.program, request.regions);
    case "profile":
      return find(request.program).instance.timeSteps();
    case "release":
      find(request.program).instance.dispose();
      programs.delete(request.program);
      return null;
    case "unfix":
      layouts.get(request.set)?.dispose();
      layouts.delete(request.set);
      return null;
    case "rate":
      return measureRate(opened(), request.dtype);
    case "close":
      return close();
  }
}

function describe(error: unknown): ThreadError {
  if (!(error instanceof FirthError)) {
    return { message: String(error), code: "ONEDNN_FAILED", path: "onednn", details: {} };
  }
  const { code, path, details } = error;
  const message = path === undefined ? error.message : error.message.slice(path.length + 2);
  return { message, code, path, details: error instanceof BackendError ? details : {} };
}

async function answer(id: number, request: ThreadRequest): Promise<void> {
  let response: ThreadResponse;
  try {
    response = { id, ok: true, value: await handle(request) };
  } catch (error) {
    response = { id, ok: false, error: describe(error) };
  }
  parentPort?.postMessage(response);
}

/** An idle thread collects no garbage: forgotten memories would stay for ever. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

let last: Promise<void> = Promise.resolve();
parentPort?.on("message", (message: ThreadMessage) => {
  last = last.then(() => {
    if ("request" in message) return answer(message.id, message.request);
    if ("forget" in message) {
      for (const id of message.forget) memories.delete(id);
      for (const ready of programs.values()) {
        ready.regions = [];
        ready.instance.forget();
      }
      collectGarbage();
    } else {
      const { memory, buffer } = message;
      memories.set(memory, { buffer, address: opened().library.addressOf(buffer) });
    }
    return undefined;
  });
});
