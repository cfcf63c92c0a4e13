import { describe, expect, it } from "vitest";
import type { DType, HostData } from "../../../ir/dtype.ts";
import { FakePlugins, failure, pair, program } from "./testing/harness.ts";

const plugins = new FakePlugins();

describe("arrays", () => {
  // Catches a dtype that is sent under the code of another, and rows that come back in another order.
  it.each<[DType, HostData]>([
    ["f32", Float32Array.of(1.5, -2, 3, 4, 5, 6)],
    ["f64", Float64Array.of(1.5, -2, 3, 4, 5, 6)],
    ["i32", Int32Array.of(1, -2, 3, 4, 5, 6)],
    ["u32", Uint32Array.of(1, 2 ** 32 - 1, 3, 4, 5, 6)],
    ["bf16", Uint16Array.of(0x3f80, 2, 3, 4, 5, 0xffff)],
    ["f16", Uint16Array.of(0x3c00, 2, 3, 4, 5, 0xffff)],
    ["i8", Int8Array.of(1, -128, 127, 4, 5, 6)],
    ["bool", Uint8Array.of(1, 0, 1, 1, 0, 0)],
  ])("of %s are kept as they are", async (dtype, data) => {
    const executor = await plugins.open();
    const array = executor.upload(data, { dtype, shape: [2, 3] });
    const copy = data.slice();
    data.fill(0);
    expect(await array.read()).toEqual(copy);
    await plugins.expectClean(executor);
  });

  it("may be scalars, and have no elements", async () => {
    const executor = await plugins.open();
    expect(await executor.upload(Float32Array.of(7), { dtype: "f32", shape: [] }).read()).toEqual(Float32Array.of(7));
    expect(await executor.upload(new Float32Array(0), { dtype: "f32", shape: [0, 3] }).read()).toHaveLength(0);
    await plugins.expectClean(executor);
  });

  // Catches an upload that reads from the beginning of the memory that a view lies in.
  it("are made of views, too", async () => {
    const executor = await plugins.open();
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    expect(await executor.upload(data, pair).read()).toEqual(Float32Array.of(2, 3));
    await plugins.expectClean(executor);
  });

  // Catches one waiting thread an array: a checkpoint reads hundreds at once, which koffi refuses.
  it("are read by the hundred at once", async () => {
    const executor = await plugins.open();
    plugins.last.isSlow = true;
    const arrays = Array.from({ length: 600 }, (_, i) => executor.upload(Float32Array.of(i, -i), pair));
    const all = await Promise.all(arrays.map((array) => array.read()));
    expect(all.map((data) => data[0])).toEqual(arrays.map((_, i) => i));
    await plugins.expectClean(executor);
  });

  it("have the length and the kind of their type", async () => {
    const executor = await plugins.open();
    for (const data of [Float32Array.of(1), Int32Array.of(1, 2)]) {
      expect(() => executor.upload(data, pair)).toThrow(expect.objectContaining({ code: "UPLOAD_LENGTH" }));
    }
    await plugins.expectClean(executor);
  });
});

describe("several devices", () => {
  const whole = { dtype: "f32", shape: [2, 4] } as const;
  const numbers = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  // Catches parts that are cut across rows, or joined in another order than they were cut.
  it.each([0, 1])("share an array along axis %i", async (axis) => {
    const executor = await plugins.open({ devices: 2 }, { devices: 2 });
    const sharding = { axis };
    const negate = await executor.compile(
      program("negate devices 2", {
        inputs: [whole],
        outputs: [whole],
        partitions: 2,
        inputShardings: [sharding],
        outputShardings: [sharding],
      }),
    );
    const array = executor.upload(numbers, whole, sharding);
    expect(await array.read()).toEqual(numbers);
    const [result] = await negate.run([array]);
    expect(result!.sharding).toEqual(sharding);
    expect(await result!.read()).toEqual(numbers.map((x) => -x));
    expect((await failure(negate.run([executor.upload(numbers, whole)]))).code).toBe("XLA_INPUTS");
    await plugins.expectClean(executor);
  });

  it("have copies where a tensor is whole", async () => {
    const executor = await plugins.open({ devices: 2 }, { devices: 2 });
    const one = await executor.compile(program("add"));
    const two = await executor.compile(program("add devices 2", { partitions: 2 }));
    const x = executor.upload(Float32Array.of(1, 2), pair);
    expect(plugins.last.alive.buffer).toBe(2);
    const [sum] = await one.run([x, x]);
    const [twice] = await two.run([sum!, x]);
    expect(await twice!.read()).toEqual(Float32Array.of(3, 6));
    expect(plugins.last.calls.filter((name) => name === "Buffer_CopyToDevice")).toHaveLength(1);
    await plugins.expectClean(executor);
  });

  it("cut only what they divide", async () => {
    const executor = await plugins.open({ devices: 2 }, { devices: 2 });
    expect(() => executor.upload(Float32Array.of(1, 2, 3), { dtype: "f32", shape: [3] }, { axis: 0 })).toThrow(
      expect.objectContaining({ code: "SHARDING_UNEVEN" }),
    );
    await plugins.expectClean(executor);
  });
});
