/**
 * @file Which of XLA's partitioners divides the programs of several devices. Shardy takes GSPMD's place: compilers of today have
 * both and warn of GSPMD, older ones have only that.
 */
import { BackendError } from "../../../base/errors.ts";
import type { Partitioner, XlaProgram } from "../executor.ts";
import { meshLines, meshSharding, shardingText } from "../lower/sharding-text.ts";
import { type CompileContext, compileProgram } from "./compile.ts";

/** Everything that lowered programs have of Shardy: a mesh, shardings of both kinds, and a piece that each device does by itself. */
function shardyProgram(partitions: number): XlaProgram {
  const spread = { partitions, partitioner: "shardy" } as const;
  const rows = { axis: 0 } as const;
  const [whole, part] = [`tensor<${partitions}x2xf32>`, "tensor<1x2xf32>"];
  const lies = meshSharding(rows, 2);
  const text = `module @partitioner attributes {mhlo.num_partitions = ${partitions} : i32, mhlo.num_replicas = 1 : i32} {
${meshLines(spread).join("\n")}
  func.func public @main(%x: ${whole} {${shardingText(rows, 2, spread)}}) -> (tensor<2xf32> {${shardingText("replicated", 1, spread)}}) {
    %y = sdy.manual_computation(%x) in_shardings=[${lies}] out_shardings=[${lies}] manual_axes={"device"} (%part: ${part}) {
      %z = stablehlo.negate %part : ${part}
      sdy.return %z : ${part}
    } : (${whole}) -> ${whole}
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %sum = stablehlo.reduce(%y init: %zero) applies stablehlo.add across dimensions = [0] : (${whole}, tensor<f32>) -> tensor<2xf32>
    return %sum : tensor<2xf32>
  }
}
`;
  return {
    name: "partitioner",
    text,
    inputs: [{ dtype: "f32", shape: [partitions, 2] }],
    outputs: [{ dtype: "f32", shape: [2] }],
    donated: [],
    partitions,
    inputShardings: [rows],
    outputShardings: ["replicated"],
  };
}

/** Shardy where the plugin compiles a small program of its notation, else GSPMD. @throws {BackendError} OUT_OF_MEMORY */
export async function partitionerOf(context: CompileContext): Promise<Partitioner> {
  try {
    await (await compileProgram(context, shardyProgram(context.devices.length))).dispose();
    return "shardy";
  } catch (error) {
    if (error instanceof BackendError && error.code === "XLA_COMPILE_FAILED") return "gspmd";
    throw error;
  }
}
