/** @file Whether an XLA library works here, tried in a process of its own: an unfit one may crash instead of failing. */
import { statSync } from "node:fs";
import { siblingModule } from "../../base/sibling-module.ts";
import { runSelfTest, type SelfTestOptions, type SelfTestVerdict } from "../self-test.ts";
import type { XlaLibrary, XlaPlatform } from "./plugin/library.ts";

/** Changes when the self-test checks more, so that older verdicts are not trusted. */
const TEST_REVISION = 1;
/** A GPU's first start loads gigabytes of libraries. */
const TIMEOUT_MS = 180_000;

/** A library; without a platform its devices are opened as it likes. */
export interface TestedLibrary extends Pick<XlaLibrary, "kind" | "path"> {
  readonly platform?: XlaPlatform | undefined;
}

export interface XlaSelfTestOptions extends SelfTestOptions {
  /** Tries again whatever was found before, and times products. */
  readonly isFresh?: boolean;
}

/**
 * Opens a library, compiles and runs products, and compares them with plain arithmetic. A verdict holds for the file. Never throws.
 */
export async function selfTestXla(library: TestedLibrary, options: XlaSelfTestOptions = {}): Promise<SelfTestVerdict> {
  const { isFresh = false, ...others } = options;
  const facts = statSync(library.path, { throwIfNoEntry: false });
  return runSelfTest(
    {
      program: siblingModule("self-test-child", import.meta.url),
      arguments: [
        JSON.stringify({ kind: library.kind, path: library.path, platform: library.platform }),
        isFresh ? "timed" : "",
      ],
      facts: [TEST_REVISION, library.path, library.platform, facts?.size, facts?.mtimeMs, isFresh ? Date.now() : 0],
    },
    { timeoutMs: TIMEOUT_MS, ...others },
  );
}
