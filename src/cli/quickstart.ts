#!/usr/bin/env node
/** @file `npm start`: learns from the documentation that every installation has. */
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ConfigError } from "../base/errors.ts";
import { booleanField, defineFields, integerField, textField } from "../formats/config-fields.ts";
import { defineConfig } from "../formats/config-table.ts";
import { openEngine } from "../runtime.ts";
import { reportFailure } from "./failure.ts";
import { makeRoom } from "./quickstart/place.ts";
import { runQuickstart } from "./quickstart/run.ts";
import { defaultSeed } from "./quickstart/settings.ts";
import { Session } from "./session.ts";

const optionsTable = defineConfig({
  name: "quickstart",
  fields: defineFields({
    seed: integerField({ default: defaultSeed, min: 0, doc: "Of everything." }),
    out: textField({ default: join("runs", "quickstart"), doc: "Folder of the run." }),
    json: booleanField({ default: false, doc: "Print the result as JSON." }),
    debug: booleanField({ default: false, doc: "Show the stack of an error." }),
  }),
});

/** What stands on the command line. @throws {ConfigError} for a word that is not understood; for values all problems together */
function givenOptions() {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  const options = { seed: text, out: text, json: flag, debug: flag };
  const { values, tokens } = parseArgs({ options, strict: false, tokens: true });
  for (const token of tokens) {
    const word = token.kind === "option" ? token.rawName : token.kind === "positional" ? token.value : "--";
    if (token.kind === "option" && Object.hasOwn(options, token.name)) continue;
    const message = "is not understood. Options: --seed N, --out FOLDER, --json, --debug.";
    throw new ConfigError("npm start", [{ path: word, message, code: "CONFIG_UNKNOWN_KEY" }]);
  }
  const { seed, ...rest } = values;
  // An empty text is no number, though JavaScript takes it for 0.
  const number = typeof seed === "string" && seed.trim() !== "" ? Number(seed) : seed;
  return optionsTable.resolve({ ...rest, ...(seed === undefined ? {} : { seed: number }) } as object);
}

// Wrong options are told as everything else is.
const session = new Session({ json: process.argv.includes("--json"), debug: process.argv.includes("--debug") });
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

async function main({ out: outputDir, seed }: ReturnType<typeof givenOptions>): Promise<void> {
  await makeRoom(outputDir);
  const engine = await openEngine();
  try {
    const result = await session.stoppable((signal) =>
      runQuickstart({
        outputDir,
        nodeModules: fileURLToPath(new URL("../../node_modules", import.meta.url)),
        ...{ seed, engine },
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
  await main(givenOptions());
} catch (error) {
  reportFailure(error, session);
}
