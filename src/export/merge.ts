/** @file One file for a decoder's first step and its further ones, as transformers.js and optimum have it. */
import type { OnnxNode, OnnxValueInfo } from "../backend/onnx/proto/model.ts";
import type { FileGraph } from "./file-graph.ts";
import { NodeBuilder } from "./node-builder.ts";

/** Names of the dimensions of kept source keys, which need not be there in a first step. */
const KEPT_SOURCE = "encoder_sequence_length_out";

/** Inputs as the merged file names their dimensions. */
function mergedInput(input: OnnxValueInfo): OnnxValueInfo {
  if (!input.name.startsWith("past_key_values") || input.shape === undefined) return input;
  return { ...input, shape: input.shape.map((dim) => (dim === "encoder_sequence_length" ? KEPT_SOURCE : dim)) };
}

/**
 * Two graphs as the branches of one: with `use_cache_branch` true the further steps', else the first step's, which ignores
 * whatever past it is given. Branches share their parameters. A further step gives no source keys again: its
 * `present.N.encoder.key` are empty, those of the first step stay.
 * @param first names begin with "first/"; @param next names begin with "next/"
 */
export function mergeSteps(first: FileGraph, next: FileGraph): FileGraph {
  const results = first.outputs.map(({ name }) => name.replace(/^first\//, ""));
  const builder = new NodeBuilder("next/kept/");
  const names = new Map(next.outputs.map((output) => [output.name.replace(/^next\//, ""), output] as const));
  // The source's keys and values are not computed again; an empty part of the past stands for them.
  const nextOutputs = results.map((name): OnnxValueInfo => {
    const known = names.get(name);
    if (known !== undefined) return known;
    const zero = builder.ints([0]);
    const past = name.replace(/^present/, "past_key_values");
    const empty = builder.op("Slice", [past, zero, zero, builder.ints([2])]);
    return { ...first.outputs[results.indexOf(name)]!, name: empty };
  });
  const branch = (name: string, nodes: readonly OnnxNode[], outputs: readonly OnnxValueInfo[]) => ({
    graph: { name, nodes, inputs: [], outputs: outputs.map(({ name: output, dtype }) => ({ name: output, dtype })) },
  });
  const choice: OnnxNode = {
    opType: "If",
    name: "use_cache_branch/If",
    inputs: ["use_cache_branch"],
    outputs: results,
    attributes: {
      then_branch: branch("next", [...next.nodes, ...builder.nodes], nextOutputs),
      else_branch: branch("first", first.nodes, first.outputs),
    },
  };
  return {
    name: "text2text-generation",
    nodes: [choice],
    inputs: [...next.inputs.map(mergedInput), { name: "use_cache_branch", dtype: "bool", shape: [1] }],
    outputs: first.outputs.map((output, i) => {
      const { dtype, shape } = names.get(results[i]!) ?? output;
      const open = shape?.map((dim) => (dim === "encoder_sequence_length" ? KEPT_SOURCE : dim));
      return { name: results[i]!, dtype, ...(open === undefined ? {} : { shape: open }) };
    }),
    initializers: { ...first.initializers, ...next.initializers, ...builder.initializers },
    parameters: new Set([...first.parameters, ...next.parameters]),
  };
}
