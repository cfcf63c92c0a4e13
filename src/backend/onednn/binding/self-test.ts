import { statSync } from "node:fs";
import { cpus } from "node:os";
import { siblingModule } from "../../../base/sibling-module.ts";
import { runSelfTest, type SelfTestOptions, type SelfTestVerdict } from "../../self-test.ts";
import { libraryCandidates } from "./find-library.ts";

/** Changes when the self-test checks more, so that older verdicts are not trusted. */
const TEST_REVISION = 1;

/**
 * Whether the oneDNN library that would be opened works on this machine: a verdict holds for its file.
 * @throws {BackendError} ONEDNN_PLATFORM, ONEDNN_LIBRARY_MISSING when there is nothing to test
 */
export async function selfTestOneDnn(libraryPath?: string, options: SelfTestOptions = {}): Promise<SelfTestVerdict> {
  const files = libraryCandidates(libraryPath);
  return runSelfTest(
    {
      program: siblingModule("self-test-child", import.meta.url),
      arguments: libraryPath === undefined ? [] : [libraryPath],
      facts: [TEST_REVISION, cpus()[0]?.model, ...files.map(describeFile)],
    },
    options,
  );
}

function describeFile(file: string): readonly unknown[] {
  const { size, mtimeMs } = statSync(file);
  return [file, size, mtimeMs];
}
