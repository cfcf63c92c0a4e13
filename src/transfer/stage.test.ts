import { describe, expect, test } from "vitest";
import type { ConfigIssue } from "../base/errors.ts";
import { frozenParameters } from "./frozen.ts";
import { layerGroups } from "./layer-group.ts";
import { resolveStrategy } from "./resolve-strategy.ts";
import { planStages, trainedGroups, unfreezingIssues } from "./stage.ts";
import {
  discriminativeRates,
  gradualUnfreezing,
  type Strategy,
  sequentialUnfreezing,
  siatl,
  slantedTriangular,
  ulmfit,
} from "./strategy.ts";
import { albertFamily, bartFamily, bertFamily, smallAlbert, smallBart, smallBert } from "./testing.ts";

const bert = bertFamily.classification(smallBert, 2);

function plan(strategy: Strategy, { model = bert, maxSteps = 100, stepsPerEpoch = 20 } = {}) {
  const issues: ConfigIssue[] = [];
  const { unfreezing, layerRateFactor, freeze } = resolveStrategy(strategy, issues);
  const groups = layerGroups(model as typeof bert);
  const frozen = frozenParameters(freeze, groups, issues);
  const length = { maxSteps, numEpochs: null, stepsPerEpoch };
  issues.push(...unfreezingIssues(unfreezing, trainedGroups(groups, frozen), length));
  expect(issues).toEqual([]);
  return planStages({ unfreezing, layerRateFactor, groups, frozen, maxSteps, stepsPerEpoch });
}

const table = (stages: ReturnType<typeof plan>) =>
  stages.map(
    ({ firstStep, lastStep, groups }) => `${firstStep}-${lastStep} ${groups.map(({ name }) => name).join(" ")}`,
  );

describe("planStages", () => {
  test("without unfreezing is one stage of all groups at the same rate", () => {
    const [stage, ...others] = plan({});
    expect(others).toEqual([]);
    expect(stage).toMatchObject({ firstStep: 1, lastStep: 100 });
    expect(stage!.groups.map(({ learningRateScale }) => learningRateScale)).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test("gradual: head and pooler first, a layer more each epoch, the embeddings last (bugs: bottom first, a layer that leaves)", () => {
    const top = "pooler head";
    expect(table(plan(gradualUnfreezing()))).toEqual([
      `1-20 ${top}`,
      `21-40 layer 2 ${top}`,
      `41-60 layer 1 layer 2 ${top}`,
      `61-80 layer 0 layer 1 layer 2 ${top}`,
      `81-100 embeddings layer 0 layer 1 layer 2 ${top}`,
    ]);
    expect(table(plan(gradualUnfreezing({ everySteps: 7 }))).map((line) => line.split(" ")[0])).toEqual([
      ...["1-7", "8-14", "15-21", "22-28", "29-100"],
    ]);
    // Half an epoch of 13.5 steps ends with the nearest step.
    const half = plan(gradualUnfreezing({ everyEpochs: 0.5 }), { maxSteps: 54, stepsPerEpoch: 13.5 });
    expect(half.map(({ firstStep }) => firstStep)).toEqual([1, 8, 15, 21, 28]);
  });

  test("sequential: what is new, then the layers, then the embeddings", () => {
    expect(table(plan(sequentialUnfreezing({ atEpochs: [1, 3] })))).toEqual([
      "1-20 pooler head",
      "21-60 layer 0 layer 1 layer 2 pooler head",
      "61-100 embeddings layer 0 layer 1 layer 2 pooler head",
    ]);
    expect(
      plan(siatl({ unfreezing: { name: "sequential", atSteps: [3, 5] } })).map(({ firstStep }) => firstStep),
    ).toEqual([1, 4, 6]);
  });

  test("gives each group below the head the rate of the one above it over the factor, in every stage", () => {
    const stages = plan({ ...gradualUnfreezing(), ...discriminativeRates() });
    for (const { groups } of stages) {
      for (const { name, learningRateScale } of groups) {
        const depth = ["head", "layer 2", "layer 1", "layer 0", "embeddings"].indexOf(
          name === "pooler" ? "head" : name,
        );
        expect(learningRateScale, name).toBeCloseTo(1 / 2.6 ** depth, 14);
      }
    }
    // Shared layers are one group; a model without head gives its top layer the whole rate.
    const [albert] = plan(discriminativeRates(2), { model: albertFamily.classification(smallAlbert(), 2) as never });
    expect(albert!.groups.map(({ learningRateScale }) => learningRateScale)).toEqual([1 / 4, 1 / 2, 1, 1]);
    const [bart] = plan(discriminativeRates(2), { model: bartFamily.pretraining(smallBart) as never });
    expect(bart!.groups.map(({ learningRateScale }) => learningRateScale)).toEqual([1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]);
  });

  test("leaves frozen groups out of the order: no epoch in which nothing new joins (bug)", () => {
    expect(table(plan({ ...gradualUnfreezing(), freeze: ["embeddings", 0, "pooler"] }))).toEqual([
      "1-20 head",
      "21-40 layer 2 head",
      "41-100 layer 1 layer 2 head",
    ]);
    const [, second] = plan({ ...gradualUnfreezing(), freeze: ["*.bias"] });
    expect(second!.groups[0]!.parameters.some((name) => name.endsWith(".bias"))).toBe(false);
  });

  test("a model without head begins with its top layer", () => {
    const stages = plan(gradualUnfreezing(), { model: bartFamily.pretraining(smallBart) as never });
    expect(table(stages)[0]).toBe("1-20 decoder layer 1");
    expect(stages).toHaveLength(5);
  });
});

describe("unfreezingIssues", () => {
  const issuesOf = (strategy: Strategy, length: object, model: unknown = bert) => {
    const { unfreezing } = resolveStrategy(strategy, []);
    const known = { maxSteps: null, numEpochs: null, stepsPerEpoch: undefined, ...length };
    return unfreezingIssues(unfreezing, layerGroups(model as typeof bert), known);
  };

  test("says which groups a run is too short for, before the data are read where epochs are counted", () => {
    const [issue] = issuesOf(gradualUnfreezing(), { numEpochs: 3 });
    expect(issue).toMatchObject({ path: "transfer.unfreezing", code: "UNFREEZING_TOO_LONG" });
    expect(issue!.message).toContain("has 5 stages, the last of which begins after 4 epochs; the run has 3");
    expect(issue!.message).toContain("layer 0; embeddings would never be trained");
    expect(issuesOf(gradualUnfreezing(), { numEpochs: 4.1 })).toEqual([]);
    expect(issuesOf(gradualUnfreezing({ everySteps: 10 }), { maxSteps: 40 })).toHaveLength(1);
    expect(issuesOf(gradualUnfreezing({ everySteps: 10 }), { maxSteps: 41 })).toEqual([]);
  });

  test("waits for the data where one counts steps and the other epochs", () => {
    expect(issuesOf(gradualUnfreezing(), { maxSteps: 100 })).toEqual([]);
    expect(issuesOf(gradualUnfreezing(), { maxSteps: 100, stepsPerEpoch: 40 })).toHaveLength(1);
    expect(issuesOf(gradualUnfreezing({ everySteps: 10 }), { numEpochs: 2, stepsPerEpoch: 20 })).toHaveLength(1);
    expect(issuesOf(gradualUnfreezing({ everySteps: 10 }), { numEpochs: 2, stepsPerEpoch: 20.5 })).toEqual([]);
  });

  test("names the part that a model lacks for it", () => {
    const [issue] = issuesOf(sequentialUnfreezing(), { numEpochs: 5 }, bartFamily.pretraining(smallBart));
    expect(issue).toMatchObject({ path: "transfer.unfreezing.name", code: "MODEL_LACKS_PART" });
  });
});

describe("resolveStrategy", () => {
  test("fills in the constants of the papers, and what it gives is the same strategy again", () => {
    const issues: ConfigIssue[] = [];
    const resolved = resolveStrategy(ulmfit(), issues);
    expect(resolved).toEqual({
      ...{ fromScratch: false, freeze: "none", layerRateFactor: 2.6, auxiliary: null },
      unfreezing: { name: "gradual", everyEpochs: 1, everySteps: null },
      schedule: { name: "slantedTriangular", cut: 0.1, ratio: 32 },
      languageTuning: { numEpochs: 1, maxSteps: null, learningRate: null, batchSize: null, maskProbability: 0.15 },
    });
    expect(resolveStrategy(siatl(), issues)).toMatchObject({
      unfreezing: { name: "sequential", atEpochs: [1, 2], atSteps: null },
      auxiliary: { weight: 0.2, finalWeight: 0.1 },
    });
    for (const strategy of [ulmfit(), siatl(), {}, { ...slantedTriangular({ cut: 0.2 }), freeze: [1, "embeddings"] }]) {
      const once = resolveStrategy(strategy, issues);
      expect(resolveStrategy(JSON.parse(JSON.stringify(once)) as Strategy, issues)).toEqual(once);
    }
    expect(issues).toEqual([]);
  });

  test("tells all problems together, with the nearest name", () => {
    const issues: ConfigIssue[] = [];
    resolveStrategy(
      {
        frieze: "encoder",
        freeze: "encoders",
        unfreezing: { name: "gradal" },
        layerRateFactor: 0,
        schedule: { name: "slantedTriangular", cut: 2 },
        auxiliary: { wieght: 1 },
        languageTuning: { numEpochs: 1, maxSteps: 4 },
      },
      issues,
    );
    expect(issues.map(({ path, code }) => `${path} ${code}`)).toEqual([
      "transfer.frieze CONFIG_UNKNOWN_KEY",
      "transfer.layerRateFactor CONFIG_VALUE",
      "transfer.freeze CONFIG_UNKNOWN_VALUE",
      "transfer.unfreezing.name CONFIG_UNKNOWN_VALUE",
      "transfer.schedule.cut CONFIG_VALUE",
      "transfer.auxiliary.wieght CONFIG_UNKNOWN_KEY",
      "transfer.languageTuning.maxSteps CONFIG_AMBIGUOUS",
    ]);
    const text = issues.map(({ message }) => message).join("\n");
    expect(text).toContain("Did you mean freeze?");
    expect(text).toContain("Did you mean gradual?");
  });

  test.each<[Strategy, string]>([
    [{ unfreezing: { name: "sequential", atEpochs: [2, 1] } }, "transfer.unfreezing.atEpochs"],
    [{ unfreezing: { name: "sequential", atEpochs: [1] } }, "transfer.unfreezing.atEpochs"],
    [{ unfreezing: { name: "gradual", everyEpochs: 1, everySteps: 3 } }, "transfer.unfreezing.everySteps"],
    [{ freeze: ["embeddings", -1] }, "transfer.freeze.1"],
    [{ auxiliary: { weight: 0 } }, "transfer.auxiliary.weight"],
  ])("%j is refused", (strategy, path) => {
    const issues: ConfigIssue[] = [];
    resolveStrategy(strategy, issues);
    expect(issues.map((issue) => issue.path)).toEqual([path]);
  });
});
