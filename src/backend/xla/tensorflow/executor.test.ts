/** @file TensorFlow's library as an executor, where FIRTH_TEST_XLA names it. */
import { env } from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tensorType } from "../../../ir/shape.ts";
import type { XlaExecutor, XlaProgram } from "../executor.ts";
import { contextConfig, functionDefinition } from "./function-definition.ts";
import { openTensorFlow } from "./open-tensorflow.ts";

const given = env.FIRTH_TEST_XLA ?? "";
const isHere = given.includes("libtensorflow_cc");
const title = isHere ? "TensorFlow" : "TensorFlow (skipped: FIRTH_TEST_XLA does not name a libtensorflow_cc.so.2)";

function program(text: string, parts: Partial<XlaProgram> & Pick<XlaProgram, "inputs" | "outputs">): XlaProgram {
  return {
    ...{ name: "test", text, donated: [], partitions: 1 },
    inputShardings: parts.inputs.map(() => "replicated" as const),
    outputShardings: parts.outputs.map(() => "replicated" as const),
    ...parts,
  };
}

const size = 512;
const square = tensorType("f32", [size, size]);
const squareText = `tensor<${size}x${size}xf32>`;

/** `times` products, one after the other. */
function products(times: number): XlaProgram {
  const lines = Array.from(
    { length: times },
    (_, i) =>
      `    %y${i + 1} = stablehlo.dot_general %y${i}, %w, contracting_dims = [1] x [0] : (${squareText}, ${squareText}) -> ${squareText}\n`,
  );
  const text = `module @products {\n  func.func public @main(%y0: ${squareText}, %w: ${squareText}) -> ${squareText} {\n${lines.join("")}    return %y${times} : ${squareText}\n  }\n}\n`;
  return program(text, { inputs: [square, square], outputs: [square] });
}

test("a function's definition is the bytes that protobuf has for it (bug: lengths beyond 127, maps)", () => {
  const text = "x".repeat(200);
  const type = tensorType("bf16", [3, 1000]);
  const bytes = Buffer.from(functionDefinition("f", program(text, { inputs: [type], outputs: [type] })));
  // signature { name: "f" input_arg { name: "in0" type: DT_BFLOAT16 } output_arg { name: "out0" type: DT_BFLOAT16 } }
  expect(bytes.subarray(0, 24).toString("hex")).toBe("0a160a016612070a03696e30180e1a080a046f757430180e");
  // key: "module" value { s: 200 bytes }
  expect(bytes.includes(Buffer.concat([Buffer.from("0a066d6f64756c6512cb0112c801", "hex"), Buffer.from(text)]))).toBe(
    true,
  );
  // key: "Sout" value { list { shape { dim { size: 3 } dim { size: 1000 } } } }
  expect(bytes.includes(Buffer.from("0a04536f7574120d0a0b3a0912020803120308e807", "hex"))).toBe(true);
  // ret { key: "out0" value: "call:output:0" }
  expect(bytes.includes(Buffer.from("22150a046f757430120d63616c6c3a6f75747075743a30", "hex"))).toBe(true);
  expect(Buffer.from(contextConfig(300)).toString("hex")).toBe("10ac022801");
});

describe.skipIf(!isHere)(title, () => {
  let executor: XlaExecutor;
  beforeAll(async () => {
    executor = await openTensorFlow({ libraryPath: given, threads: 2 });
  }, 120_000);
  afterAll(() => executor?.dispose());

  test("keeps every dtype's bits", async () => {
    const cases = [
      [tensorType("f32", [3]), "f32", Float32Array.of(1.5, -0, Number.NaN)],
      [tensorType("f64", [2]), "f64", Float64Array.of(1e300, -1)],
      [tensorType("bf16", [2]), "bf16", Uint16Array.of(0x3f80, 0xc000)],
      [tensorType("f16", [1]), "f16", Uint16Array.of(0x3c00)],
      [tensorType("i32", [2]), "i32", Int32Array.of(-1, 2 ** 31 - 1)],
      [tensorType("u32", [2]), "ui32", Uint32Array.of(2 ** 32 - 1, 0)],
      [tensorType("i8", [2]), "i8", Int8Array.of(-128, 127)],
      [tensorType("bool", [2]), "i1", Uint8Array.of(1, 0)],
    ] as const;
    for (const [type, name, data] of cases) {
      const written = `tensor<${type.shape[0]}x${name}>`;
      const text = `module @same {\n  func.func public @main(%a: ${written}) -> (${written}) {\n    return %a : ${written}\n  }\n}\n`;
      const executable = await executor.compile(program(text, { inputs: [type], outputs: [type] }));
      const array = executor.upload(data, type);
      const [result] = await executable.run([array]);
      array.dispose();
      expect(await result!.read(), name).toEqual(data);
      await executable.dispose();
    }
  });

  test("compiles once, and runs beside the event loop (bugs: a compilation a run; a blocked loop)", async () => {
    const executable = await executor.compile(products(24));
    const inputs = [1, 2].map(() => executor.upload(new Float32Array(size * size).fill(1 / size), square));
    const time = async (): Promise<number> => {
      const began = performance.now();
      const [result] = await executable.run(inputs);
      const milliseconds = performance.now() - began;
      expect((await result!.read())[size]).toBeCloseTo(1 / size, 6);
      result!.dispose();
      return milliseconds;
    };
    const first = await time();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const second = await time();
    clearInterval(timer);
    const third = await time();
    // 24 products of 0.27 GFLOP take some 50 ms; compiling them takes longer.
    expect(Math.min(second, third)).toBeLessThan(first);
    expect(ticks).toBeGreaterThan(3);
    await executable.dispose();
  });

  test("refuses arrays that were donated or freed, other types, and two devices", async () => {
    const donating = { ...products(1), donated: [0] };
    const executable = await executor.compile(donating);
    const [a, b] = [1, 2].map(() => executor.upload(new Float32Array(size * size), square));
    await executable.run([a!, b!]);
    await expect(executable.run([a!, b!])).rejects.toMatchObject({ code: "ARRAY_DISPOSED" });
    const small = tensorType("f32", [2]);
    await expect(executable.run([executor.upload(new Float32Array(2), small), b!])).rejects.toMatchObject({
      code: "RUN_TYPES",
    });
    await expect(executor.compile({ ...donating, partitions: 2 })).rejects.toMatchObject({
      code: "PARTITIONS_UNSUPPORTED",
    });
    expect(() => executor.upload(new Float32Array(3), small)).toThrow(/8 bytes; got 12/);
    expect(() => executor.upload(new Float32Array(2), small, { axis: 0 })).toThrow(/axis 0/);
    await executable.dispose();
    await expect(executable.run([b!, b!])).rejects.toMatchObject({ code: "EXECUTABLE_DISPOSED" });
  });

  test("says in the compiler's words what it refuses", async () => {
    const type = tensorType("f32", [2]);
    const text = `module @wrong {\n  func.func public @main(%a: tensor<2xf32>) -> tensor<2xf32> {\n    %b = stablehlo.frobnicate %a : tensor<2xf32>\n    return %b : tensor<2xf32>\n  }\n}\n`;
    const executable = await executor.compile(program(text, { inputs: [type], outputs: [type] }));
    const run = executable.run([executor.upload(new Float32Array(2), type)]);
    await expect(run).rejects.toMatchObject({
      code: "XLA_COMPILE_FAILED",
      message: expect.stringMatching(/frobnicate/),
    });
    await executable.dispose();
  });
});
