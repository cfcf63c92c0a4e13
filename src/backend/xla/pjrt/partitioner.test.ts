/** @file The choice of a partitioner, by an imitated plugin; pieces that devices do by themselves, by a real one (FIRTH_TEST_PJRT, FIRTH_TEST_XLA). */
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tensorType } from "../../../ir/shape.ts";
import { mul } from "../../../tensor/elementwise.ts";
import { trace } from "../../../tensor/trace.ts";
import type { Partitioner } from "../executor.ts";
import { Emitter, type Ref } from "../lower/emitter.ts";
import { FunctionTable } from "../lower/function-table.ts";
import { lowerToStableHlo } from "../lower/lower-to-stablehlo.ts";
import { onParts } from "../lower/manual-shard.ts";
import type { LowerToStableHlo } from "../lower/module.ts";
import { NameScope } from "../lower/name-scope.ts";
import { meshLines, shardingText } from "../lower/sharding-text.ts";
import { typeText } from "../lower/type-text.ts";
import { libraryKind } from "../plugin/find-library.ts";
import { XlaBackend } from "../xla-backend.ts";
import { openExecutor, openUntested } from "./open-pjrt.ts";
import { FakePlugins, failure, program } from "./testing/harness.ts";

const plugins = new FakePlugins();

describe("the partitioner", () => {
  it("is Shardy where the plugin compiles it, and nobody is asked for one device", async () => {
    const two = await plugins.open({ devices: 2 }, { devices: 2 });
    expect(two.facts.partitioner).toBe("shardy");
    await plugins.expectClean(two);
    const one = await plugins.open({}, { devices: 2 });
    expect(one.facts.partitioner).toBeUndefined();
    expect(plugins.last.compileOptions).toHaveLength(0);
    await plugins.expectClean(one);
  });

  // Catches a plugin of before Shardy that cannot be used for several devices any more.
  it("is GSPMD where the plugin does not know Shardy's dialect", async () => {
    const api = await plugins.make({ devices: 2 });
    const words = "Dialect `sdy' not found for custom op 'sdy.mesh'";
    plugins.last.faults.set("Client_Compile", { status: "INVALID_ARGUMENT", words });
    const executor = await openExecutor(api, { devices: 2 });
    expect(executor.facts.partitioner).toBe("gspmd");
    await plugins.expectClean(executor);
  });

  // Catches texts in GSPMD's notation under Shardy, which would divide them by GSPMD in silence.
  it("decides how the engine's programs are written", async () => {
    const api = await plugins.make({ devices: 2 });
    const texts: string[] = [];
    const lower: LowerToStableHlo = (graph, options) => {
      const module = lowerToStableHlo(graph, options);
      texts.push(module.text);
      return module;
    };
    const graph = trace("twice", { x: tensorType("f32", [4]) }, ({ x }) => ({ y: mul(x, 2) }));
    const partitioning = { partitions: 2, inputs: new Map([["x", { axis: 0 }]]) };
    for (const isOld of [false, true]) {
      const fault = { status: "INVALID_ARGUMENT", words: "Dialect `sdy' not found" } as const;
      if (isOld) plugins.last.faults.set("Client_Compile", fault);
      const backend = new XlaBackend(await openExecutor(api, { devices: 2 }), { lower });
      await backend.compile(graph, { partitioning });
      await backend.dispose();
    }
    expect(texts[0]).toContain('%x: tensor<4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"device"}]>}');
    expect(texts[1]).toContain('%x: tensor<4xf32> {mhlo.sharding = "{devices=[2]<=[2]}"}');
    expect(plugins.last.alive).toEqual({});
  });

  it("is not chosen by a device without memory, which leaves nothing", async () => {
    const api = await plugins.make({ devices: 2 });
    plugins.last.faults.set("Client_Compile", { status: "RESOURCE_EXHAUSTED", words: "out of memory" });
    expect((await failure(openExecutor(api, { devices: 2 }))).code).toBe("OUT_OF_MEMORY");
    expect(plugins.last.alive).toEqual({});
  });
});

const { FIRTH_TEST_PJRT, FIRTH_TEST_XLA = "" } = process.env;
const plugin = FIRTH_TEST_PJRT ?? (libraryKind(FIRTH_TEST_XLA) === "pjrt" ? FIRTH_TEST_XLA : "");

/** Adds to each row its number on its device, and one row that all have. */
function ownRows(partitioner: Partitioner) {
  const spread = { partitions: 2, partitioner };
  const names = new NameScope();
  const emitter = new Emitter({ functions: new FunctionTable(), fullProducts: true, locations: false }, names);
  const x: Ref = { name: `%${names.own("x")}`, dtype: "f32", shape: [4, 2] };
  const row: Ref = { name: `%${names.own("row")}`, dtype: "f32", shape: [1, 2] };
  const [y] = onParts(emitter, spread, [x, row], (device, [part, shared]) => {
    const numbered = device.add(part!, device.iota("f32", part!.shape, 0));
    return [device.add(numbered, device.broadcast(shared!, part!.shape, [0, 1]))];
  }) as [Ref];
  const rows = { axis: 0 } as const;
  const [cut, whole] = [shardingText(rows, 2, spread), shardingText("replicated", 2, spread)];
  const text = `module @rows attributes {mhlo.num_partitions = 2 : i32, mhlo.num_replicas = 1 : i32} {
${meshLines(spread).join("\n")}
  func.func public @main(%x: ${typeText(x)} {${cut}}, %row: ${typeText(row)} {${whole}}) -> (${typeText(y)} {${cut}}) {
${emitter.lines.join("\n")}
    func.return ${y.name} : ${typeText(y)}
  }
}`;
  const shardings = { inputShardings: [rows, "replicated" as const], outputShardings: [rows] };
  return program(text, { inputs: [x, row], outputs: [y], partitions: 2, ...shardings });
}

describe.skipIf(!existsSync(plugin))("a real CPU plugin of two devices (FIRTH_TEST_PJRT)", () => {
  // Catches rows of the whole where those of the device are meant, and a shared row that is cut.
  it.each<Partitioner>(["gspmd", "shardy"])("each device works on its own rows (%s)", async (partitioner) => {
    const executor = await openUntested({ plugin, platform: "cpu", devices: 2 });
    // One of before Shardy has said so.
    const divides = partitioner === "gspmd" ? partitioner : executor.facts.partitioner!;
    const lowered = ownRows(divides);
    const executable = await executor.compile(lowered);
    const [x, row] = lowered.inputs as [Ref, Ref];
    const given = Float32Array.of(0, 0, 10, 10, 20, 20, 30, 30);
    const arrays = [
      executor.upload(given, x, { axis: 0 }),
      executor.upload(Float32Array.of(100, 200), row, "replicated"),
    ];
    const [sum] = await executable.run(arrays);
    expect(await sum!.read()).toEqual(Float32Array.of(100, 200, 111, 211, 120, 220, 131, 231));
    await executor.dispose();
  });
});

it.runIf(!existsSync(plugin))("pieces of devices need a CPU plugin, which FIRTH_TEST_PJRT names", () => {
  expect(existsSync(plugin)).toBe(false);
});
