// Compiles src/ into dist/, and does nothing when dist/ is newer than every source file.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const dist = join(root, "dist");
const stamp = join(dist, ".built");

/** The latest time of change of all files below a folder. */
function newest(folder) {
  let latest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return latest;
}

const sources = Math.max(newest(join(root, "src")), statSync(join(root, "tsconfig.build.json")).mtimeMs);
if (!existsSync(stamp) || statSync(stamp).mtimeMs < sources) {
  // Compiled aside and then exchanged, so that programs and tests that run meanwhile find a whole folder.
  const fresh = join(root, `.dist-${process.pid}`);
  const old = join(root, `.dist-${process.pid}-old`);
  const started = new Date();
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const options = ["-p", join(root, "tsconfig.build.json"), "--outDir", fresh];
  try {
    const done = spawnSync(process.execPath, [tsc, ...options], { stdio: "inherit" });
    if (done.status !== 0) {
      process.exitCode = done.status ?? 1;
    } else {
      writeFileSync(join(fresh, ".built"), "");
      // What is changed while the compiler runs is newer than the stamp.
      utimesSync(join(fresh, ".built"), started, started);
      if (existsSync(dist)) renameSync(dist, old);
      renameSync(fresh, dist);
    }
  } finally {
    for (const folder of [fresh, old]) rmSync(folder, { recursive: true, force: true });
  }
}
