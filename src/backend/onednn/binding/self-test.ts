import { statSync } from "node:fs";
import { cpus } from "node:os";
import { isAbsolute } from "node:path";
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
  const files = libraryCandidates(libraryPath).filter(
    (candidate) => isAbsolute(candidate) || candidate === libraryPath,
  );
  return runSelfTest(
    {
      program: siblingModule("self-test-child", import.meta.url),
      arguments: libraryPath === undefined ? [] : [libraryPath],
      // A library that only the loader finds has no file to go by, and a missing one may be installed any moment.
      facts: files.length === 0 ? undefined : [TEST_REVISION, cpus()[0]?.model, ...files.map(describeFile)],
    },
    options,
  );
}

function describeFile(file: string): readonly unknown[] {
  const { size, mtimeMs } = statSync(file);
  return [file, size, mtimeMs];
}
