import { expect, test } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { BackendError } from "../base/errors.ts";
import { chooseLanes } from "./lane-choice.ts";

const able = { name: "onnx", maxLanes: 2 } as Backend;
const single = { name: "onednn" } as Backend;
const never = (): void => {
  throw new Error("asked");
};

const none = (): void => undefined;

test("auto takes two lanes for small models, by their weights alone (bug: a choice by the clock, and other numbers from run to run)", () => {
  const choose = (numWeights: number) =>
    chooseLanes({ asked: "auto", backend: able, recorded: undefined, numWeights, requireTwo: none });
  const size = (count: string) => `the model has ${count} weights, and two lanes are for at most 20,000,000`;
  expect(choose(11.2e6)).toEqual({ lanes: 2, reason: `2: ${size("11,200,000")}` });
  expect(choose(20e6).lanes).toBe(2);
  expect(choose(28.8e6)).toEqual({ lanes: 1, reason: `1: ${size("28,800,000")}` });
});

test("what is asked is taken; a checkpoint's lanes are gone on with, or refused (bug: a resume in another order of sums)", () => {
  const choose = (asked: 1 | 2 | "auto", lanes?: 1 | 2, backend = able) =>
    chooseLanes({
      asked,
      backend,
      recorded: lanes && { checkpoint: "run/checkpoint-4", lanes },
      numWeights: 4.4e6,
      requireTwo: lanes === undefined && backend === able ? none : never,
    });
  expect(choose(1)).toEqual({ lanes: 1, reason: undefined });
  expect(choose(2, 2)).toEqual({ lanes: 2, reason: undefined });
  expect(choose("auto")).toEqual({ lanes: 2, reason: expect.stringMatching(/^2: /) as string });
  expect(choose("auto", 1)).toEqual({ lanes: 1, reason: "1, as in the checkpoint" });
  expect(choose("auto", undefined, single)).toMatchObject({
    lanes: 1,
    reason: expect.stringContaining("onednn") as string,
  });
  expect(choose("auto", 2, single)).toMatchObject({
    lanes: 1,
    reason: expect.stringContaining("where the checkpoint has 2") as string,
  });
  expect(() => choose(1, 2)).toThrow(expect.objectContaining({ code: "LANES_MISMATCH", path: "run/checkpoint-4" }));
});

test("what speaks against two lanes is told, other errors are not swallowed", () => {
  const failing = (code: string) =>
    chooseLanes({
      ...{ asked: "auto", backend: able, recorded: undefined, numWeights: 4e6 },
      requireTwo: () => {
        throw new BackendError("no rows", { code, path: "train.lanes" });
      },
    });
  expect(failing("LANES_UNSUPPORTED")).toEqual({ lanes: 1, reason: "1: train.lanes: no rows" });
  expect(() => failing("RUN_FAILED")).toThrow(expect.objectContaining({ code: "RUN_FAILED" }));
});
