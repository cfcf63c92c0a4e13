// Firth beside what a user would pick instead: `npm run bench:peers -- PART [options]`.
//
// Python comes from --python, else FIRTH_PEER_PYTHON, else python3. Exit code 2: no Python, or a package is missing.

import { SideError } from "../line-process.mjs";
import { finetuningUsage, runFinetuning } from "./finetuning.mjs";
import { generationUsage, runGeneration } from "./generation.mjs";
import { inferenceUsage, runInference } from "./inference.mjs";
import { MissingPeer } from "./programs.mjs";
import { runTraining, usage as trainingUsage } from "./training.mjs";

const usage = `Usage: npm run bench:peers -- PART [options]
All parts:
  --python PATH     Python with the packages of bench/peers/requirements.txt (FIRTH_PEER_PYTHON; python3)
  --entry FILE      Firth's program (dist/cli/main.js)

${trainingUsage}

${finetuningUsage}

${inferenceUsage}

${generationUsage}`;

const parts = { training: runTraining, finetuning: runFinetuning, inference: runInference, generation: runGeneration };

async function main() {
  const [part, ...args] = process.argv.slice(2);
  if (part === "--help" || part === "-h") {
    console.log(usage);
  } else if (part === undefined || part.startsWith("-")) {
    throw new RangeError(`name a part: ${Object.keys(parts).join(" or ")}.\n${usage}`);
  } else if (!(part in parts)) {
    throw new RangeError(`there is no part "${part}"; there are ${Object.keys(parts).join(" and ")}.`);
  } else {
    await parts[part](args);
    await import("../report.mjs");
  }
}

main().catch((error) => {
  const expected = error instanceof SideError || error instanceof RangeError || error instanceof MissingPeer;
  const isUsage = expected || String(error.code).startsWith("ERR_PARSE_ARGS");
  console.error(isUsage ? `bench:peers: ${error.message}` : (error.stack ?? String(error)));
  process.exitCode = error instanceof MissingPeer ? 2 : 1;
});
