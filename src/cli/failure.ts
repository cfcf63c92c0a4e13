/** @file How errors end the program. */
import process from "node:process";
import { ConfigError, FirthError } from "../base/errors.ts";
import type { Session } from "./session.ts";

/** One line, or several for several problems: what is wrong, and its code. */
export function describeFailure(error: unknown): { readonly message: string; readonly code: string } {
  if (error instanceof ConfigError) return { message: error.message, code: error.code };
  if (error instanceof FirthError) return { message: `${error.message} (${error.code})`, code: error.code };
  const { message, code } = error as { readonly message?: unknown; readonly code?: unknown };
  const text = typeof message === "string" ? message : String(error);
  // Node's own errors about files and memory say enough; anything else is a mistake in this program.
  if (typeof code === "string") return { message: `${text} (${code})`, code };
  return { message: `internal: ${text} (INTERNAL). Run again with --debug and report the stack.`, code: "INTERNAL" };
}

/** Tells of an error and sets the exit status: 1, or what a signal has set before. */
export function reportFailure(error: unknown, session: Session): void {
  const { message, code } = describeFailure(error);
  session.say(`firth: ${message}`);
  if (session.debug) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) session.say(cause.stack ?? "");
  }
  if (session.json) process.stdout.write(`${JSON.stringify({ error: message, code })}\n`);
  process.exitCode ??= 1;
}
