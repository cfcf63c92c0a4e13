/** @file Checks of what Firth is built on: the tokenizers library, the engines and how fast they are. */

import { tensorType } from "../../ir/shape.ts";
import { type EngineName, engineNames, openEngine } from "../../runtime.ts";
import { constant } from "../../tensor/elementwise.ts";
import { dot } from "../../tensor/linear-algebra.ts";
import { trace } from "../../tensor/trace.ts";
import { library } from "../../tokenizers/library.ts";
import { WordPiece } from "../../tokenizers/wordpiece.ts";
import { attempt, type Check } from "./check.ts";
import { oneDnnChecks } from "./onednn-check.ts";
import { xlaChecks } from "./xla-check.ts";

/** A rate that even one old core reaches; less means an engine without vector instructions, or a busy machine. */
const leastGflops = 10;

function tokenizersCheck(): Promise<Check> {
  return attempt(
    "Tokenizers",
    "Reinstall with npm install; check that the platform is one the package serves.",
    async () => {
      library();
      const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##able"]);
      const [encoding] = await tokenizer.encodeBatch(["Unable [MASK]"]);
      const ids = Array.from(encoding!.ids).join(" ");
      if (ids !== "5 6 4") throw new Error(`encodes "Unable [MASK]" as ${ids} instead of 5 6 4`);
      return "library loads and encodes";
    },
  );
}

/** Opens an engine, lets it compute something, and measures it where that says something. */
async function engineChecks(engine: EngineName): Promise<Check[]> {
  const checks: Check[] = [];
  const fix = "Reinstall with npm install, or try --binding onnxruntime-node.";
  checks.push(
    await attempt(`Engine ${engine}`, fix, async () => {
      const backend = await openEngine({ engine });
      try {
        const graph = trace("doctor", { x: tensorType("f32", [2, 2]) }, ({ x }) => ({
          y: dot(x, constant(Float32Array.of(1, 2, 3, 4), "f32", [2, 2]), { lhsContract: [1], rhsContract: [0] }),
        }));
        const executable = await backend.compile(graph);
        const [input, output] = [backend.allocate(graph.inputs[0]!.value), backend.allocate(graph.outputs[0]!.value)];
        input.write(Float32Array.of(1, 0, 1, 1));
        await executable.run([input], [output]);
        const result = Array.from(await output.read()).join(" ");
        await executable.dispose();
        if (result !== "1 2 4 6") throw new Error(`a product of two matrices is ${result} instead of 1 2 4 6`);
        const { description, threads, computeDtypes, gemmGflops } = await backend.probe();
        if (engine !== "reference") checks.push(rateCheck(gemmGflops, threads));
        return `${description}; ${threads} ${threads === 1 ? "thread" : "threads"}, ${computeDtypes.join(", ")}`;
      } finally {
        await backend.dispose();
      }
    }),
  );
  return checks.toReversed().map(warnOfFallback);
}

function rateCheck(gflops: number, threads: number): Check {
  const detail = `${gflops.toFixed(0)} GFLOPS in f32 with ${threads} threads`;
  if (gflops >= leastGflops) return { name: "Matrix product", status: "ok", detail };
  return { name: "Matrix product", status: "warn", detail, fix: "Stop other programs and look again." };
}

/** The slower way to the library works, but should be known. */
function warnOfFallback(check: Check): Check {
  if (!check.detail.includes("because the C API does not work here")) return check;
  return { ...check, status: "warn", fix: "Training works, a little slower. See that koffi is installed." };
}

/** Has a check of its own: not having it is no fault. */
const optionalEngine: string = "onednn";

/** All of them. */
export async function engineRelatedChecks(): Promise<Check[]> {
  const checks = [await tokenizersCheck()];
  for (const engine of engineNames) if (engine !== optionalEngine) checks.push(...(await engineChecks(engine)));
  return [...checks, ...(await oneDnnChecks()), ...(await xlaChecks())];
}
