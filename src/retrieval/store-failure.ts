/** @file Failures of the vector store, which tells them in its own words, as the program's own errors. */
import { constants } from "node:os";
import { FirthError } from "../base/errors.ts";
import { writeFailure } from "../formats/file-failure.ts";

/** What a disk or the rights of its files may say to a change that is right in itself. */
const refusals = ["ENOSPC", "EDQUOT", "EFBIG", "EACCES", "EPERM", "EROFS"] as const;

/** Which refusal the store speaks of ("… (os error 28)"), or undefined where it speaks of something else. */
function refusalIn(text: string): (typeof refusals)[number] | undefined {
  const number = Number(/\(os error (\d+)\)/.exec(text)?.[1]);
  return refusals.find((name) => constants.errno[name] === number);
}

/** What the store says in one line, without its own places in code. */
export function storeMessage(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.split("\n")[0]!.replace(/, \S+\.rs:\d+:\d+$/, "");
}

/** Whether the store was refused by the disk or by the rights of its files. */
export function isRefusal(cause: unknown): boolean {
  return refusalIn(storeMessage(cause)) !== undefined;
}

/** A failed change as an error: DISK_FULL, NOT_WRITABLE, WRITE_FAILED; errors of the program stay. */
export async function storeFailure(cause: unknown, folder: string): Promise<FirthError> {
  if (cause instanceof FirthError) return cause;
  const text = storeMessage(cause);
  return writeFailure(Object.assign(new Error(text, { cause }), { code: refusalIn(text) ?? "UNKNOWN" }), folder);
}
