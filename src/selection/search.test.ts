import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { FirthError } from "../base/errors.ts";
import type { EvaluationEvent } from "../train/event.ts";
import { FactFolder } from "./fact-folder.ts";
import { type SearchSpec, search, type TrialPlace } from "./search.ts";
import { searchExtent, searchReport, searchText } from "./search-report.ts";
import { choice, logUniform } from "./space.ts";
import type { TrialOutcome } from "./trial.ts";

const folder = mkdtempSync(join(tmpdir(), "firth-search-"));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

const STEPS = 9;

/**
 * Training as the trainer does it, without a network: nine steps, an evaluation after each; its checkpoints are steps by
 * folder. The accuracy rises to what the settings are good for.
 */
class FakeTraining {
  readonly checkpoints = new Map<string, number>();
  readonly begun: string[] = [];
  /** Steps that were computed in all. */
  steps = 0;
  /** Throws before this step of all, as a kill does. */
  killAt = Number.POSITIVE_INFINITY;

  readonly run = async ({ settings, seed, fold, options }: TrialPlace): Promise<TrialOutcome> => {
    const { outputDir, listener, signal } = options;
    const rate = settings.rate as number;
    const name = `${rate}/${seed}${fold === null ? "" : `/${fold}`}`;
    this.begun.push(name);
    if (rate > 0.5) throw new FirthError("the loss is NaN.", { code: "NOT_FINITE", path: name });
    let done = this.checkpoints.get(outputDir ?? name) ?? 0;
    const evaluations: EvaluationEvent[] = [];
    listener({ kind: "start", step: done, maxSteps: STEPS, description: "fake" });
    let reason: TrialOutcome["run"]["reason"] = "finished";
    while (done < STEPS) {
      if (this.steps >= this.killAt) throw new Error("killed");
      this.steps++;
      done++;
      const accuracy = (rate + seed / 1_000 + (fold ?? 0) / 10_000) * (done / STEPS);
      const event: EvaluationEvent = {
        ...{ kind: "evaluation", step: done, loss: 1 - accuracy, means: { accuracy }, seconds: 0, best: true },
      };
      evaluations.push(event);
      listener(event);
      this.checkpoints.set(outputDir ?? name, done);
      if (signal.aborted && done < STEPS) {
        reason = "interrupted";
        break;
      }
    }
    return { run: { steps: done, reason, selectedStep: done, evaluations } };
  };
}

const base = { figure: "accuracy", higherIsBetter: true, seeds: [1, 2] } as const;
const rates = { rate: choice([0.1, 0.4, 0.2, 0.3]) };
const withoutSeconds = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === "seconds" ? undefined : inner)));

describe("search", () => {
  test("finds the best mean over seeds, and tells all trials (bug: the last trial, or the lowest)", async () => {
    const training = new FakeTraining();
    const result = await search({ ...base, space: rates, method: "grid", run: training.run });
    expect(result).toMatchObject({ planned: 4, end: "finished", method: "grid" });
    expect(result.best).toMatchObject({ number: 2, settings: { rate: 0.4 }, state: "finished" });
    expect(result.best!.score!.mean).toBeCloseTo(0.4015, 12);
    expect(training.begun).toEqual(["0.1/1", "0.1/2", "0.4/1", "0.4/2", "0.2/1", "0.2/2", "0.3/1", "0.3/2"]);
    const worst = await search({
      ...base,
      higherIsBetter: false,
      space: rates,
      method: "grid",
      run: new FakeTraining().run,
    });
    expect(worst.best!.settings).toEqual({ rate: 0.1 });
    expect(worst.selection).toContain("lowest mean accuracy");
  });

  test("killed at any step it goes on to the same end, without a whole run done twice (bug: lost or repeated trials)", async () => {
    const space = { rate: logUniform(0.01, 0.4) };
    const options = (run: FakeTraining["run"], name: string): SearchSpec => ({
      ...{ ...base, space, maxTrials: 3, folds: 2, run, outputDir: join(folder, name), facts: { data: "a" } },
    });
    const whole = new FakeTraining();
    const expected = await search(options(whole.run, "whole"));
    expect(whole.steps).toBe(3 * 2 * 2 * STEPS);
    for (const killAt of [0, 1, 9, 17, 40, 100]) {
      const training = new FakeTraining();
      training.killAt = killAt;
      const name = `killed-${killAt}`;
      await expect(search(options(training.run, name))).rejects.toThrow("killed");
      training.killAt = Number.POSITIVE_INFINITY;
      const result = await search(options(training.run, name));
      expect(withoutSeconds(result)).toEqual(withoutSeconds(expected));
      expect(training.steps).toBe(whole.steps);
    }
    const again = new FakeTraining();
    await search(options(again.run, "whole"));
    expect(again.steps).toBe(0);
    await expect(search({ ...options(again.run, "whole"), facts: { data: "b" } })).rejects.toMatchObject({
      code: "RUN_MISMATCH",
      message: expect.stringContaining('facts is {"data":"a"} there'),
    });
    // More trials of the same draws are no other search.
    const more = await search({ ...options(again.run, "whole"), maxTrials: 4 });
    expect(again.steps).toBe(2 * 2 * STEPS);
    expect(more.trials.slice(0, 3).map(({ settings }) => settings)).toEqual(
      expected.trials.map(({ settings }) => settings),
    );
  });

  test("a signal ends it after the step at hand (bug: a search that cannot be stopped)", async () => {
    const training = new FakeTraining();
    const controller = new AbortController();
    const run: FakeTraining["run"] = (place) => {
      if (training.begun.length === 2) controller.abort();
      return training.run(place);
    };
    const options = { ...base, space: rates, method: "grid", outputDir: join(folder, "signal") } as const;
    const part = await search({ ...options, run, signal: controller.signal });
    expect(part).toMatchObject({ end: "interrupted", best: { number: 1 } });
    expect(part.trials.map(({ state }) => state)).toEqual(["finished", "open"]);
    expect(searchExtent(part)).toContain("2 of 4 settings tried, of them 1 open; 2 runs");
    const rest = await search({ ...options, run: training.run });
    expect(rest.best!.number).toBe(2);
    expect(training.steps).toBe(4 * 2 * STEPS);
  });

  test("setting that diverges fails alone; other errors end the search", async () => {
    const training = new FakeTraining();
    const space = { rate: choice([0.9, 0.1]) };
    const result = await search({ ...base, space, method: "grid", run: training.run });
    expect(result.trials.map(({ state }) => state)).toEqual(["failed", "finished"]);
    expect(training.begun).toEqual(["0.9/1", "0.1/1", "0.1/2"]);
    expect(searchText(result)).toContain("failed: 0.9/1: the loss is NaN.");
    const broken = () => Promise.reject(new FirthError("no.", { code: "DATA_EMPTY" }));
    await expect(search({ ...base, space, run: broken })).rejects.toMatchObject({ code: "DATA_EMPTY" });
  });

  test("time that is over begins nothing more, and says so (bug: a budget that is not told)", async () => {
    const training = new FakeTraining();
    let now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const slow: FakeTraining["run"] = (place) => {
      now += 60;
      return training.run(place);
    };
    const options = { ...base, space: rates, method: "grid", run: slow, maxMinutes: 0.1 / 60 } as const;
    const result = await search(options);
    expect(result.end).toBe("maxMinutes");
    expect(training.begun).toEqual(["0.1/1", "0.1/2"]);
    expect(searchText(result)).toContain("1 of 4 settings tried; 2 runs");
    expect(searchText(result)).toContain("the time was over");
  });

  test("the median rule ends runs that fall behind, and spares their other seeds (bug: a rule that compares with later trials)", async () => {
    const space = { rate: choice([0.3, 0.4, 0.35, 0.1, 0.39]) };
    const training = new FakeTraining();
    const options = { ...base, space, method: "grid", stop: { kind: "median" } } as const;
    const result = await search({ ...options, run: training.run });
    expect(result.trials.map(({ state }) => state)).toEqual([
      "finished",
      "finished",
      "finished",
      "stopped",
      "finished",
    ]);
    expect(result.trials[3]!.runs).toMatchObject([
      { state: "stopped", steps: 1, figures: { loss: expect.any(Number) } },
    ]);
    expect(training.steps).toBe(4 * 2 * STEPS + 1);
    expect(result.best!.number).toBe(2);
  });

  test("successive halving lets the best run on from their checkpoints (bug: runs begun anew at each stage)", async () => {
    const values = [0.11, 0.12, 0.31, 0.14, 0.33, 0.16, 0.32, 0.18, 0.19];
    const options = {
      ...base,
      seeds: [1],
      space: { rate: choice(values) },
      method: "grid",
      stop: { kind: "halving" },
    } as const;
    const training = new FakeTraining();
    const result = await search({ ...options, run: training.run, outputDir: join(folder, "halving") });
    // Nine trials run one step, three of them two more, one the other six.
    expect(training.steps).toBe(9 + 3 * 2 + 6);
    expect(result.best).toMatchObject({ number: 5, state: "finished" });
    const steps = result.trials.map(({ runs }) => runs[0]!.steps);
    expect(steps).toEqual([1, 1, 3, 1, 9, 1, 3, 1, 1]);
    expect(result.trials[6]!.runs[0]!.note).toBe("number 2 of 3 in stage 2 of 3");
    for (const killAt of [4, 9, 11, 14, 20]) {
      const killed = new FakeTraining();
      killed.killAt = killAt;
      const outputDir = join(folder, `halving-${killAt}`);
      await expect(search({ ...options, run: killed.run, outputDir })).rejects.toThrow("killed");
      killed.killAt = Number.POSITIVE_INFINITY;
      const resumed = await search({ ...options, run: killed.run, outputDir });
      expect(withoutSeconds(resumed)).toEqual(withoutSeconds(result));
      expect(killed.steps).toBe(training.steps);
    }
    await expect(search({ ...options, run: training.run })).rejects.toMatchObject({ code: "CONFIG_MISSING" });
  });

  test("wrong options are told together", async () => {
    const wrong = { ...base, seeds: [1, 1], folds: 1, maxMinutes: 0, space: { rate: logUniform(0, 1) } };
    const failure = await search({ ...wrong, run: new FakeTraining().run }).catch((error) => error);
    expect(failure.issues.map(({ path }: { path: string }) => path)).toEqual([
      ...["rate", "maxMinutes", "folds", "seeds", "maxTrials"],
    ]);
  });

  test("the page names every trial, safely", async () => {
    const space = { rate: choice([0.1, 0.2, 0.3]), "<b>": choice(["<script>"]) };
    const result = await search({ ...base, space, method: "grid", run: new FakeTraining().run });
    const page = searchReport(result, { title: "SST-2" });
    expect(page).toContain("highest mean accuracy on the held-out data over seeds 1, 2");
    expect(page).toContain("0.3015 ± 0.0007 (2 runs)");
    expect(page).toContain("accuracy over rate");
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).toContain("&lt;script&gt;");
    const lines = searchText(result).split("\n");
    expect(lines[0]).toMatch(/^place +trial +rate +<b> +accuracy/);
    expect(lines[1]).toMatch(/^ +1 +3 +0\.3 +<script> +0\.3015 ± 0\.0007 \(2 runs\)$/);
  });
});

test("facts come back as they were, and a line that was cut off harms no other (bug: NaN that becomes null)", async () => {
  const facts = await FactFolder.open(join(folder, "facts"), "facts.json", { kind: "test", value: Number.NaN });
  await facts.write("a/b", { values: [Number.NaN, Number.NEGATIVE_INFINITY, 0.1], text: "x" });
  expect(await facts.read("a/b")).toEqual({ values: [Number.NaN, Number.NEGATIVE_INFINITY, 0.1], text: "x" });
  expect(await facts.read("other")).toBeUndefined();
  facts.append("lines", { step: 1 });
  appendFileSync(join(folder, "facts", "lines.jsonl"), '{"step": 2, "fig');
  facts.append("lines", { step: 2 });
  expect(facts.lines("lines")).toEqual([{ step: 1 }, { step: 2 }]);
  expect(readFileSync(join(folder, "facts", "facts.json"), "utf8")).toContain("NaN");
  await FactFolder.open(join(folder, "facts"), "facts.json", { kind: "test", value: Number.NaN });
});
