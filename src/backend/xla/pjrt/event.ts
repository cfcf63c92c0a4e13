/** @file Waiting for what a plugin does in its own time. */
import type { PjrtApi } from "./api.ts";
import type { Address } from "./native.ts";

/** Threads that wait at the same time: Node has four for all that waits, and koffi refuses more than some hundred calls. */
const MOST_WAITING = 2;

let waiting = 0;
const queue: (() => void)[] = [];

/** Runs work when fewer than `MOST_WAITING` others do. */
async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (waiting >= MOST_WAITING) await new Promise<void>((resolve) => queue.push(resolve));
  else waiting++;
  try {
    return await work();
  } finally {
    // The place goes to the next in the queue, where there is one.
    const next = queue.shift();
    if (next === undefined) waiting--;
    else next();
  }
}

/** Waits in another thread, unless the event has come meanwhile. */
async function wait(api: PjrtApi, event: Address): Promise<void> {
  if (api.call("Event_IsReady", { event }).isReady) api.call("Event_Error", { event });
  else await api.callAsync("Event_Await", { event });
}

/**
 * Waits for an event without holding this thread up, and frees it.
 * @throws {PjrtFailure} with the error that the work ended with
 */
export async function settled(api: PjrtApi, event: Address): Promise<void> {
  if (event === 0) return;
  try {
    // What is ready already needs no other thread.
    if (api.call("Event_IsReady", { event }).isReady) api.call("Event_Error", { event });
    else await inTurn(() => wait(api, event));
  } finally {
    api.destroy("Event_Destroy", event);
  }
}

/** Frees an event that nobody waits for; what it stands for goes on. */
export function forget(api: PjrtApi, event: Address): void {
  if (event !== 0) api.destroy("Event_Destroy", event);
}
