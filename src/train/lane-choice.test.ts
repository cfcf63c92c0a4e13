import { expect, test } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { BackendError } from "../base/errors.ts";
import { chooseLanes, type LaneTimes, measureLanes } from "./lane-choice.ts";

const able = { name: "onnx", maxLanes: 2 } as Backend;
const single = { name: "onednn" } as Backend;
const never = async (): Promise<LaneTimes> => {
  throw new Error("measured");
};

/** A step whose n-th gradient takes the given time. */
const clocked = (one: readonly number[], two: readonly number[]) => {
  const calls = { one: 0, two: 0 };
  return {
    calls,
    timeGradient: async (_: unknown, lanes: number) =>
      lanes === 1 ? one[calls.one++ % one.length]! : two[calls.two++ % two.length]!,
  };
};

test("two lanes are taken where their median is clearly smaller (bugs: first runs counted, means of outliers, ties to two)", async () => {
  const faster = clocked([900, 800, 10, 10, 10, 10, 10, 10, 10], [5, 5, 9, 9, 900, 9, 9, 9, 9]);
  expect(await measureLanes(faster, [])).toEqual({ lanes: 2, one: 10, two: 9 });
  expect(faster.calls).toEqual({ one: 9, two: 9 });
  expect((await measureLanes(clocked([10], [9.9]), [])).lanes).toBe(1);
  expect((await measureLanes(clocked([10], [11]), [])).lanes).toBe(1);
});

test("what is asked is taken; a checkpoint's lanes are gone on with, or refused (bug: a resume in another order of sums)", async () => {
  const choose = (asked: 1 | 2 | "auto", lanes?: 1 | 2, backend = able) =>
    chooseLanes({
      asked,
      backend,
      recorded: lanes && { checkpoint: "run/checkpoint-4", lanes },
      measure: lanes === undefined && backend === able ? async () => ({ lanes: 2, one: 10, two: 9 }) : never,
    });
  expect(await choose(1)).toEqual({ lanes: 1, reason: undefined });
  expect(await choose(2, 2)).toEqual({ lanes: 2, reason: undefined });
  expect(await choose("auto")).toEqual({ lanes: 2, reason: "2: a gradient takes 10.0 ms in one, 9.0 ms in two" });
  expect(await choose("auto", 1)).toEqual({ lanes: 1, reason: "1, as in the checkpoint" });
  expect(await choose("auto", undefined, single)).toMatchObject({
    lanes: 1,
    reason: expect.stringContaining("onednn") as string,
  });
  expect(await choose("auto", 2, single)).toMatchObject({
    lanes: 1,
    reason: expect.stringContaining("where the checkpoint has 2") as string,
  });
  await expect(choose(1, 2)).rejects.toMatchObject({ code: "LANES_MISMATCH", path: "run/checkpoint-4" });
});

test("what speaks against two lanes is told, other errors are not swallowed", async () => {
  const failing = (code: string) =>
    chooseLanes({
      asked: "auto",
      backend: able,
      measure: async () => {
        throw new BackendError("no rows", { code, path: "train.lanes" });
      },
    });
  expect(await failing("LANES_UNSUPPORTED")).toEqual({ lanes: 1, reason: "1: train.lanes: no rows" });
  await expect(failing("RUN_FAILED")).rejects.toMatchObject({ code: "RUN_FAILED" });
});
