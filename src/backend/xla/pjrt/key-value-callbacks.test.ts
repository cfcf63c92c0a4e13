import { describe, expect, it } from "vitest";
import { FolderStore } from "./key-value-store.ts";
import { FakePlugins, failure, TestFolder } from "./testing/harness.ts";

const plugins = new FakePlugins();
const folder = new TestFolder();

describe("several hosts", () => {
  // Catches a callback whose struct is laid out otherwise, and a value that is freed before the plugin has copied it.
  it("exchange keys and values through a store", async () => {
    const store = new FolderStore(folder.at("store"));
    const second = { index: 1, count: 2, store };
    store.put("local:0", new TextEncoder().encode("node 0"));
    const executor = await plugins.open({ host: second });
    expect(new TextDecoder().decode(store.tryGet("local:1"))).toBe("node 1");
    expect(Object.fromEntries(plugins.last.createOptions)).toEqual({ node_id: 1, num_nodes: 2 });
    await plugins.expectClean(executor);
  });

  it("are waited for no longer than the plugin says", async () => {
    const store = { get: () => undefined, tryGet: () => undefined, put: () => undefined };
    const error = await failure(plugins.open({ host: { index: 0, count: 2, store } }));
    expect(error).toMatchObject({ code: "PJRT_OPEN_FAILED", details: { status: "DEADLINE_EXCEEDED" } });
    expect(error.message).toContain("no local:0 after 2000 ms");
    const broken = {
      ...store,
      put: () => {
        throw new Error("the folder is gone");
      },
    };
    expect((await failure(plugins.open({ host: { index: 0, count: 2, store: broken } }))).message).toContain(
      "the folder is gone",
    );
  });
});
