/**
 * Pre-trains one family of the study by its recipe; a run that was stopped goes on when started again.
 *
 *     npx tsx studies/families/pretrain.ts FAMILY [--engine NAME] [--dtype NAME]
 *
 * Needs the text of studies/families/text.ts.
 */
import { spawn } from "node:child_process";
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { common, type Part, partsFile, runs, studyFolder } from "./runs.ts";

const [name, ...options] = process.argv.slice(2);
const run = runs.find((item) => item.name === name);
if (run === undefined) {
  console.error(`Name a family: ${runs.map((item) => item.name).join(", ")}.`);
  process.exit(1);
}
const settings = [...common, ...run.settings].flatMap((setting) => ["--set", setting]);
const place = ["--output-dir", join(studyFolder, run.name)];
const args = ["src/cli/main.ts", "pretrain", join("recipes", `${run.recipe}.yaml`), ...place, ...settings, ...options];
const start = performance.now();
const child = spawn(process.execPath, ["--import", "tsx", ...args], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.once("exit", async (code) => {
  process.exitCode = code ?? 1;
  const part: Part = { options, seconds: (performance.now() - start) / 1000, exitCode: code };
  await mkdir(join(studyFolder, run.name), { recursive: true });
  await appendFile(partsFile(run), `${JSON.stringify(part)}\n`);
});
