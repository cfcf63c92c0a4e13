/** @file What tests of executors share: an imitated plugin that is opened and given back, programs, failures. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { FirthError } from "../../../../base/errors.ts";
import type { XlaExecutor, XlaProgram } from "../../executor.ts";
import { PjrtApi } from "../api.ts";
import { Native } from "../native.ts";
import { type ExecutorOptions, openExecutor } from "../open-pjrt.ts";
import { type FakeOptions, FakePlugin } from "./plugin.ts";

/** The type that programs take and give where they say nothing else. */
export const pair = { dtype: "f32", shape: [2] } as const;

/** A program of the imitated plugin, of two pairs. */
export function program(text: string, given: Partial<XlaProgram> = {}): XlaProgram {
  return {
    name: "test",
    text,
    inputs: [pair, pair],
    outputs: [pair],
    donated: [],
    partitions: 1,
    inputShardings: [],
    outputShardings: [],
    ...given,
  };
}

/** The Firth error that work ends with; anything else fails the test. */
export async function failure(work: Promise<unknown>): Promise<FirthError> {
  const error = await work.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(FirthError);
  return error as FirthError;
}

/** A folder of each test's own, which is removed after it. */
export class TestFolder {
  private path = "";

  constructor() {
    beforeEach(() => {
      this.path = mkdtempSync(join(tmpdir(), "firth-pjrt-"));
    });
    afterEach(() => rmSync(this.path, { recursive: true, force: true }));
  }

  /** The path of a name in it; its own without one. */
  at(name = ""): string {
    return join(this.path, name);
  }
}

/** Plugins of a file's tests, one at a time; each is given back after its test. */
export class FakePlugins {
  private opened: FakePlugin | undefined;

  constructor() {
    afterEach(() => {
      this.opened?.release();
      this.opened = undefined;
    });
  }

  /** The one that was made last. */
  get last(): FakePlugin {
    expect(this.opened).toBeDefined();
    return this.opened!;
  }

  /** A plugin's functions; no client yet. */
  async make(like: FakeOptions = {}): Promise<PjrtApi> {
    const native = await Native.open();
    this.opened?.release();
    this.opened = new FakePlugin(native, like);
    return new PjrtApi(native, this.opened.address, "fake.so");
  }

  async open(options: ExecutorOptions = {}, like: FakeOptions = {}): Promise<XlaExecutor> {
    return openExecutor(await this.make(like), options);
  }

  /** What must hold after every use: nothing wrong was passed, nothing was left. */
  async expectClean(executor: XlaExecutor): Promise<void> {
    await executor.dispose();
    expect(this.last.problems).toEqual([]);
    expect(this.last.alive).toEqual({});
  }
}
