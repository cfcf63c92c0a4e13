/**
 * Program of the start-up self-test: uses every part of the library that training uses, and reports on stdout.
 *
 * It runs in a process of its own, so that a library of another layout crashes here and not in the user's program.
 * The library's path is the first argument.
 */
import { writeSync } from "node:fs";
import { argv } from "node:process";
import { tensorType } from "../../../ir/shape.ts";
import type { SelfTestReport } from "../../self-test.ts";
import type { XlaProgram } from "../executor.ts";
import { openUntested } from "./executor.ts";

const STDOUT = 1;
const ROWS = 24;
const WIDTH = 40;

const [x, w] = [tensorType("f32", [ROWS, WIDTH]), tensorType("f32", [WIDTH, WIDTH])];

/** x·w with operands in a dtype, and x − 1 in the memory of x. */
function program(dtype: "f32" | "bf16"): XlaProgram {
  const [left, right] = [`tensor<${ROWS}x${WIDTH}x${dtype}>`, `tensor<${WIDTH}x${WIDTH}x${dtype}>`];
  const [xType, wType] = [`tensor<${ROWS}x${WIDTH}xf32>`, `tensor<${WIDTH}x${WIDTH}xf32>`];
  const text = `module @test {
  func.func public @main(%x: ${xType} {tf.aliasing_output = 1 : i32}, %w: ${wType}) -> (${xType}, ${xType}) {
    %one = stablehlo.constant dense<1.0> : ${xType}
    %a = stablehlo.convert %x : (${xType}) -> ${left}
    %b = stablehlo.convert %w : (${wType}) -> ${right}
    %y = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (${left}, ${right}) -> ${xType}
    %z = stablehlo.subtract %x, %one : ${xType}
    return %y, %z : ${xType}, ${xType}
  }
}
`;
  return {
    ...{ name: "test", text, inputs: [x, w], outputs: [x, x], donated: [0], partitions: 1 },
    inputShardings: ["replicated", "replicated"],
    outputShardings: ["replicated", "replicated"],
  };
}

/** Small whole numbers, which bf16 holds exactly and whose sums f32 holds exactly. */
const wholeNumbers = (count: number, modulus: number): Float32Array =>
  new Float32Array(count).map((_, i) => (i % modulus) - Math.floor(modulus / 2));

async function selfTest(): Promise<string> {
  const executor = await openUntested({ libraryPath: argv[2]!, threads: 2 });
  const [a, b] = [wholeNumbers(ROWS * WIDTH, 7), wholeNumbers(WIDTH * WIDTH, 5)];
  for (const dtype of ["f32", "bf16"] as const) {
    const executable = await executor.compile(program(dtype));
    const weights = executor.upload(b, w);
    for (let round = 0; round < 2; round++) {
      const [y, z] = await executable.run([executor.upload(a, x), weights]);
      const [product, less] = [await y!.read(), await z!.read()];
      product.forEach((value, at) => {
        let sum = 0;
        const row = Math.floor(at / WIDTH);
        for (let k = 0; k < WIDTH; k++) sum += a[row * WIDTH + k]! * b[k * WIDTH + (at % WIDTH)]!;
        if (value !== sum || less[at] !== a[at]! - 1) {
          throw new Error(
            `wrong ${dtype} product at ${at}: ${value} and ${less[at]} instead of ${sum} and ${a[at]! - 1}`,
          );
        }
      });
      for (const array of [y!, z!]) array.dispose();
    }
    await executable.dispose();
  }
  await executor.dispose();
  return executor.facts.description;
}

const report: SelfTestReport = await selfTest().then(
  (detail) => ({ passed: true, detail }),
  (error: unknown) => ({
    passed: false,
    detail: error instanceof Error ? error.message : String(error),
  }),
);
writeSync(STDOUT, JSON.stringify(report));
