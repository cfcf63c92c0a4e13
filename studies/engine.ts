/** @file The engine options that the studies have in common. */
import { type EngineChoice, openEngine } from "../src/index.ts";

const text = { type: "string" } as const;
/** For `parseArgs`. */
export const engineOptions = { engine: text, dtype: text, threads: text } as const;

type Given = Readonly<Partial<Record<keyof typeof engineOptions, string | undefined>>>;

/** Opens the engine that is asked for, oneDNN in bf16 on one thread where nothing is said. */
export async function studyEngine({ engine: name = "onednn", dtype = "bf16", threads = "1" }: Given) {
  if (dtype !== "f32" && dtype !== "bf16") throw new Error(`--dtype must be f32 or bf16; got ${dtype}.`);
  const engine = await openEngine({ engine: name as EngineChoice, threads: Number(threads) }, dtype);
  return { engine, dtype, told: `${name} ${dtype}, ${threads} thread${threads === "1" ? "" : "s"}` } as const;
}
