#!/usr/bin/env node
import { existsSync } from "node:fs";
/** @file `npm start`: learns from the documentation that every installation has. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openEngine } from "../runtime.ts";
import { reportFailure } from "./failure.ts";
import { runQuickstart } from "./quickstart/run.ts";
import { defaultSeed } from "./quickstart/settings.ts";
import { Session } from "./session.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(defaultSeed) },
    out: { type: "string", default: join("runs", "quickstart") },
    json: { type: "boolean", default: false },
    debug: { type: "boolean", default: false },
  },
});
const session = new Session(values);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

async function main(): Promise<void> {
  const outputDir = values.out;
  // A finished run makes room for a new one; an interrupted one goes on.
  if (existsSync(join(outputDir, "report.html"))) await rm(outputDir, { recursive: true });
  const engine = await openEngine();
  try {
    const result = await session.stoppable((signal) =>
      runQuickstart({
        outputDir,
        nodeModules: fileURLToPath(new URL("../../node_modules", import.meta.url)),
        seed: Number(values.seed),
        engine,
        signal,
        watch: (work) => session.watchTraining(work),
        say: (text) => session.say(text),
      }),
    );
    if (result === undefined) {
      session.say("\nStopped and saved. Run `npm start` again to go on.");
      return;
    }
    const { accuracy, majority, evalLoss, unigram, seconds, fills } = result;
    session.result(
      result,
      [
        "",
        `Masked words, held-out text:   ${evalLoss.toFixed(2)} nats a word piece (by frequency alone: ${unigram.toFixed(2)})`,
        `Which module, held-out:        ${percent(accuracy.pretrained)} with pre-training, ${percent(accuracy.scratch)} from scratch, ${percent(majority)} by the commonest class`,
        "",
        ...fills.map(({ text, candidates }) => `  ${text}\n    → ${candidates.map(({ token }) => token).join(", ")}`),
        "",
        `Took ${Math.round(seconds)} s. Curves and confusions: ${result.reportFile}`,
        "",
        "Next:",
        `  npm run firth -- fill-mask ${result.modelFolder} "The [MASK] emits an event."`,
        "  npm run firth -- --help          every command",
        "  recipes/                         the sizes of BERT, ready to run on your own text",
      ].join("\n"),
    );
  } finally {
    await engine.dispose();
  }
}

try {
  await main();
} catch (error) {
  reportFailure(error, session);
}
