/** @file Waiting for what a plugin does in its own time. */
import type { PjrtApi } from "./api.ts";
import type { Address } from "./native.ts";

/**
 * Waits for an event without holding this thread up, and frees it.
 * @throws {PjrtFailure} with the error that the work ended with
 */
export async function settled(api: PjrtApi, event: Address): Promise<void> {
  if (event === 0) return;
  try {
    // What is ready already needs no other thread.
    if (api.call("Event_IsReady", { event }).isReady) api.call("Event_Error", { event });
    else await api.callAsync("Event_Await", { event });
  } finally {
    api.call("Event_Destroy", { event });
  }
}

/** Frees an event that nobody waits for; what it stands for goes on. */
export function forget(api: PjrtApi, event: Address): void {
  if (event !== 0) api.call("Event_Destroy", { event });
}
