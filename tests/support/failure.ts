import { expect } from "vitest";
import { CheckpointError } from "../../src/base/errors.ts";

/** The CheckpointError that work ends with; anything else fails the test. */
export async function failure(work: Promise<unknown>): Promise<CheckpointError> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return error as CheckpointError;
}
