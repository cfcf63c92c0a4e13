/** @file Host kernels: steps that the library has no primitive for, as TypeScript over typed arrays. */
import { internalError } from "../../base/errors.ts";
import { encodeBfloat16 } from "../../base/half-float.ts";
import type { Graph, PrimitiveName, PrimitiveParams } from "../../ir/graph.ts";
import { sizeOf } from "../../ir/shape.ts";
import type { Kernel } from "../host/kernel.ts";
import type { Tensor } from "../host/storage.ts";
import { primitiveKernels } from "../host/table.ts";
import { foldIn, randomBitsAt } from "../wasm/random-mask.ts";
import { compare, select } from "./host-compare.ts";
import { copier, denseReader, denseWriter } from "./host-data.ts";
import type { HostKernel } from "./host-kernel.ts";
import { labelLoss, labelSeed, logSum } from "./host-loss.ts";
import { gather, scatterAdd } from "./host-rows.ts";

const noBody = (_: Graph): Tensor[] => {
  throw internalError("a host step with a nested graph");
};

/** A primitive by its kernel of backend/host, over dense copies where operands are not dense or not plain numbers. */
const primitive: HostKernel = ({ params, inputs, outputs }) => {
  const kernel = primitiveKernels[params.op as PrimitiveName] as Kernel<PrimitiveName>;
  const readers = inputs.map(denseReader);
  const writers = outputs.map(denseWriter);
  return (given, taken) => {
    const operands = readers.map((read, i) => read(given[i]!));
    const results = writers.map(({ begin }, i) => begin(taken[i]!));
    kernel({
      inputs: operands,
      outputs: results,
      params: params.params as PrimitiveParams[PrimitiveName],
      evaluate: noBody,
    });
    writers.forEach(({ end }, i) => {
      end(taken[i]!);
    });
  };
};

const copy: HostKernel = ({ inputs: [source], outputs: [target] }) => {
  const run = copier(source!, target!);
  return ([from], [to]) => run(from!, to!);
};

const zero: HostKernel =
  () =>
  (_, [target]) => {
    target!.fill(0);
  };

const foldInKernel: HostKernel =
  ({ inputs: [key] }) =>
  ([words, data], [target]) => {
    const stride = key!.strides[0]!;
    const folded = foldIn([words![0]!, words![stride]!], data![0]!);
    target!.set(folded);
  };

const dropoutMask: HostKernel = ({ inputs: [key], outputs: [mask], params }) => {
  const rate = params.rate as number;
  const [threshold, stride, size] = [Math.floor(rate * 2 ** 32), key!.strides[0]!, sizeOf(mask!.shape)];
  const scale = 1 / (1 - rate);
  const kept = mask!.dtype === "bf16" ? encodeBfloat16(scale) : scale;
  return ([words], [target]) => {
    const pair = [words![0]!, words![stride]!] as const;
    for (let i = 0; i < size; i++) target![i] = randomBitsAt(pair, i) < threshold ? 0 : kept;
  };
};

/** All host kernels by name. */
export const hostKernels: Readonly<Record<string, HostKernel>> = {
  primitive,
  copy,
  zero,
  compare,
  select,
  gather,
  scatterAdd,
  labelLoss,
  labelSeed,
  logSum,
  foldIn: foldInKernel,
  dropoutMask,
};
