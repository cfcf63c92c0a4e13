import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openMetricsLog, readMetrics } from "./metrics-log.ts";

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-metrics-"));
  path = join(folder, "metrics.jsonl");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(steps: readonly number[], resume?: { step: number } | { position: number }): Promise<number> {
  const log = await openMetricsLog(path, resume);
  for (const step of steps) await log.append({ step, loss: 1 / step, note: "ü" });
  await log.flush();
  log.close();
  return log.position;
}

it("equals the uninterrupted file after a crash beyond the checkpoint and a torn last line", async () => {
  await run([1, 2, 3, 4, 5, 6]);
  const whole = await readFile(path, "utf8");
  await run([1, 2, 3, 4]);
  await appendFile(path, '{"step":5,"lo');
  await run([4, 5, 6], { step: 3 });
  expect(await readFile(path, "utf8")).toBe(whole);
});

it("resumes at a saved position between two lines of the same step (the step alone would keep both)", async () => {
  const position = await run([1, 2]);
  await appendFile(path, '{"step":2,"evalLoss":1}\n');
  await run([3], { position });
  expect(readMetrics(path).map((record) => record.step)).toEqual([1, 2, 3]);
  await expect(openMetricsLog(path, { position: 10_000 })).rejects.toMatchObject({ code: "METRICS_SHORT" });
});

it("starts empty without resume, also over an older log", async () => {
  await run([1, 2, 3]);
  await run([9]);
  expect(readMetrics(path)).toEqual([{ step: 9, loss: 1 / 9, note: "ü" }]);
});

it("names the line that is damaged instead of cutting good lines away", async () => {
  await writeFile(path, '{"step":1}\nnonsense\n{"step":3}\n');
  await expect(openMetricsLog(path, { step: 5 })).rejects.toMatchObject({ code: "METRICS_LINE", details: { line: 2 } });
  expect(await readFile(path, "utf8")).toContain("nonsense");
});

it("refuses NaN, which JSON would turn into null", async () => {
  const log = await openMetricsLog(path);
  await expect(log.append({ step: 1, loss: Number.NaN })).rejects.toMatchObject({ code: "METRICS_RECORD" });
  log.close();
  expect(await readFile(path, "utf8")).toBe("");
});
