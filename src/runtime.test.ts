import { describe, expect, test } from "vitest";
import { oneDnn } from "../tests/support/backends.ts";
import { type EngineChoice, type EngineOptions, openEngine, withEngine } from "./runtime.ts";

describe("openEngine", () => {
  test("refuses bf16 where the engine has none, and says what to install (would catch a run in another precision than asked for)", async () => {
    const refused = expect.objectContaining({
      code: "DTYPE_UNSUPPORTED",
      message: expect.stringContaining("apt install libdnnl2"),
    });
    await expect(openEngine({ engine: "onnx" }, "bf16")).rejects.toEqual(refused);
    const onnx = await openEngine({ engine: "onnx", threads: 1 });
    await expect(withEngine(onnx, async () => "worked", "bf16")).rejects.toEqual(refused);
    expect(await withEngine(onnx, async () => "worked")).toBe("worked");
    await onnx.dispose();
  });

  test("says where it looked for an XLA library that is not there, in one line", async () => {
    const missing = openEngine({ engine: "xla:cpu", plugin: "nowhere/plugin.so" });
    await expect(missing).rejects.toMatchObject({
      code: "XLA_LIBRARY_MISSING",
      message: expect.stringMatching(/^xla: there is no file ".*nowhere.plugin\.so".*\.$/),
    });
  });

  test("names the nearest engine", async () => {
    const wrong = { engine: "onedn" } as unknown as EngineOptions;
    await expect(openEngine(wrong)).rejects.toThrow(/onedn.*onednn/);
  });

  test("takes an engine's bare name wherever options may stand, and names the nearest one (bug: a TypeError about `in`)", async () => {
    expect(await withEngine("reference", async ({ name }) => name)).toBe("reference");
    const opened = await openEngine("reference");
    expect(opened.name).toBe("reference");
    await opened.dispose();
    const wrong = "onedn" as unknown as EngineChoice;
    await expect(withEngine(wrong, async () => undefined)).rejects.toThrow(/"onedn".*Use onednn/);
  });

  test("auto takes an engine that runs here, and says so", async () => {
    const backend = await openEngine({ engine: "auto", threads: 1 });
    try {
      const { description } = await backend.probe();
      expect(description).toContain("chosen by auto");
      if (oneDnn.missing !== undefined) expect(backend.name).toBe("onnx");
      else if (backend.computeDtypes.includes("bf16")) expect(backend.name).toBe("onednn");
    } finally {
      await backend.dispose();
    }
  });
});
