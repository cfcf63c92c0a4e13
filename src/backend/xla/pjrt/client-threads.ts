/**
 * @file How many threads a CPU's client computes with. XLA has no option for it: it asks a variable of the process, once,
 * when the client is created.
 * @source xla/pjrt/utils.cc, DefaultThreadPoolSize
 */
import { BackendError } from "../../../base/errors.ts";
import type { PjrtClient } from "./client.ts";
import type { Native } from "./native.ts";

const VARIABLE = "PJRT_NPROC";

function refuse(message: string): never {
  throw new BackendError(message, { code: "XLA_THREADS", path: "engine.threads" });
}

/** One client is created after the other, so that none is given the threads of another. */
let lastCreation: Promise<unknown> = Promise.resolve();

/** @throws {BackendError} XLA_THREADS for a number that is none of threads */
export function requireThreadCount(threads: number | undefined): void {
  if (threads === undefined || (Number.isSafeInteger(threads) && threads >= 1)) return;
  refuse(`threads must be a whole number of 1 or more; got ${threads}.`);
}

/** Creates a client that computes with so many threads; as many as the machine has, or as the variable says, when left out. */
export function createWithThreads<T>(
  native: Native,
  threads: number | undefined,
  create: () => Promise<T>,
): Promise<T> {
  const created = lastCreation.then(async () => {
    if (threads === undefined) return create();
    const before = native.variable(VARIABLE);
    native.setVariable(VARIABLE, String(threads));
    try {
      return await create();
    } finally {
      native.setVariable(VARIABLE, before);
    }
  });
  lastCreation = created.catch(() => undefined);
  return created;
}

/** @throws {BackendError} XLA_THREADS where threads were asked of devices that have no such number */
export function requireProcessor({ platform, api }: PjrtClient, threads: number | undefined): void {
  if (threads === undefined || platform === "cpu") return;
  refuse(
    `threads are those of a processor; ${api.path} computes on devices of the platform ${platform}, which take no number of threads; got ${threads}. Leave it out.`,
  );
}
