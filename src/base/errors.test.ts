import { expect, test } from "vitest";
import { CheckpointError, ConfigError, FirthError, internalError, nearestName } from "./errors.ts";

test("a mistyped name finds its neighbour, a strange one finds none (would catch hints that mislead)", () => {
  const names = ["maxSteps", "batchSize", "learningRate", "warmupSteps"];
  expect(nearestName("batchsize", names)).toBe("batchSize");
  expect(nearestName("learnignRate", names)).toBe("learningRate");
  expect(nearestName("warmup_steps", names)).toBe("warmupSteps");
  expect(nearestName("zzzzzzzz", names)).toBeUndefined();
  expect(nearestName("anything", [])).toBeUndefined();
});

test("of two near names the nearer wins, not the first (would catch a search that stops early)", () => {
  expect(nearestName("epsilon", ["epsilons2", "epsilon2", "epsilo"])).toBe("epsilon2");
});

test("one problem stands in the message itself, with its own code", () => {
  const error = new ConfigError("recipe.yaml", [{ path: "train.maxSteps", message: "must be given.", code: "NEEDED" }]);
  expect(error.message).toBe("recipe.yaml: train.maxSteps: must be given. (NEEDED)");
  expect(error.code).toBe("NEEDED");
});

test("several problems are all listed, each with its path and code (would catch reporting the first only)", () => {
  const issues = [
    { path: "a", message: "must be 1.", code: "ONE" },
    { path: "b.c", message: "must be 2.", code: "TWO" },
  ];
  const error = new ConfigError("recipe.yaml", issues);
  expect(error.message).toBe("recipe.yaml: 2 problems\n  - a: must be 1. (ONE)\n  - b.c: must be 2. (TWO)");
  expect(error.code).toBe("CONFIG_INVALID");
  expect(error.issues).toEqual(issues);
});

test("errors keep name, cause and facts for callers (would catch a lost subclass name or cause)", () => {
  const cause = new Error("disk");
  const error = new CheckpointError("cannot be read.", { code: "UNREADABLE", path: "model", cause, details: { n: 3 } });
  expect(error).toBeInstanceOf(FirthError);
  expect([error.name, error.message, error.path]).toEqual(["CheckpointError", "model: cannot be read.", "model"]);
  expect(error.cause).toBe(cause);
  expect(error.details).toEqual({ n: 3 });
  expect(internalError("broken").code).toBe("INTERNAL");
});
