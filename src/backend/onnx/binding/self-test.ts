import { statSync } from "node:fs";
import { siblingModule } from "../../../base/sibling-module.ts";
import { runSelfTest, type SelfTestOptions, type SelfTestVerdict } from "../../self-test.ts";
import { findOrtLibrary } from "./c-api-table.ts";

export type { SelfTestOptions, SelfTestReport, SelfTestVerdict } from "../../self-test.ts";

/** Changes when the self-test checks more, so that older verdicts are not trusted. */
const TEST_REVISION = 1;

/** Whether the engine's C API works on this machine: a verdict holds for one library file. Never throws. */
export async function selfTestCApi(options: SelfTestOptions = {}): Promise<SelfTestVerdict> {
  let facts: readonly unknown[];
  try {
    const library = findOrtLibrary();
    const { size, mtimeMs } = statSync(library);
    facts = [TEST_REVISION, library, size, mtimeMs];
  } catch (error) {
    return { passed: false, detail: error instanceof Error ? error.message : String(error), cached: false };
  }
  return runSelfTest({ program: siblingModule("self-test-child", import.meta.url), arguments: [], facts }, options);
}
