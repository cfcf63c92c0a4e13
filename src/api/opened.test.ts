import { expect, test } from "vitest";
import { tinyBert } from "../../tests/support/tiny-run.ts";
import type { Backend, Buffer } from "../backend/backend.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { openModel } from "./opened.ts";

/** The interpreter, counting the buffers that nobody has freed. */
function countingBackend(): { readonly backend: Backend; readonly live: () => number } {
  const inner = createReferenceBackend();
  let live = 0;
  const counted = (buffer: Buffer): Buffer => {
    live++;
    const dispose = buffer.dispose.bind(buffer);
    return Object.assign(buffer, {
      dispose: () => {
        live--;
        dispose();
      },
    });
  };
  const backend = new Proxy(inner, {
    get: (target, key) => {
      const value: unknown = Reflect.get(target, key, target);
      if (key === "allocate") return (...given: Parameters<Backend["allocate"]>) => counted(target.allocate(...given));
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  return { backend, live: () => live };
}

const nothing = { dispose: async () => undefined };

test("a model that cannot be opened leaves no weights in the engine (bug: weights, or an engine of one's own, left behind)", async () => {
  const { module, weights } = tinyBert();
  const { backend, live } = countingBackend();
  const lacking = new Map([...weights].slice(0, -1));
  await expect(openModel("model", { module, weights: lacking }, { engine: backend }, () => nothing)).rejects.toThrow(
    "no numbers for parameter",
  );
  expect(live()).toBe(0);
  const fail = (): never => {
    throw new Error("no such program");
  };
  await expect(openModel("model", { module, weights }, { engine: backend }, fail)).rejects.toThrow("no such program");
  expect(live()).toBe(0);
  await backend.dispose();
});

test("is freed once, whoever asks, and says so afterwards (bug: freed twice)", async () => {
  const { module, weights } = tinyBert();
  const { backend, live } = countingBackend();
  let freed = 0;
  const program = {
    dispose: async () => {
      freed++;
    },
  };
  const opened = await openModel("model", { module, weights }, { engine: backend }, () => program);
  expect(live()).toBe(weights.size);
  opened.check();
  await Promise.all([opened.dispose(), opened.dispose()]);
  expect([freed, live()]).toEqual([1, 0]);
  expect(() => opened.check()).toThrow(expect.objectContaining({ code: "DISPOSED" }));
  await backend.dispose();
});
