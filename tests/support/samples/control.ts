import { checkpoint, customGradient } from "../../../src/tensor/call.ts";
import { add, constant, convert, logistic, mul, sin, sub, tanh } from "../../../src/tensor/elementwise.ts";
import { lstmCell } from "../../../src/tensor/fused.ts";
import { matmul } from "../../../src/tensor/linear-algebra.ts";
import { scan } from "../../../src/tensor/scan.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { below, float, given, i32, type Sample } from "./sample.ts";

const both = (make: (reverse: boolean) => Sample): Sample[] => [false, true].map(make);
const word = (reverse: boolean): string => (reverse ? "reversed" : "forward");

const scanSamples: Sample[] = [
  ...both((reverse) => ({
    title: `sum and products, ${word(reverse)}`,
    inputs: [float([5, 2]), float([2], given(0.8, -0.6))],
    run: ([x, factor]) => {
      const { carries, outputs } = scan(
        ([sum], [entry]) => {
          const next = add(mul(sum!, factor!), entry!);
          return { carries: [next], outputs: [sin(next), entry!] };
        },
        [factor!],
        [x!],
        { reverse },
      );
      return [...carries, ...outputs];
    },
  })),
  ...both((reverse) => ({
    title: `recurrence with weights, two sequences, two carries, ${word(reverse)}`,
    inputs: [float([4, 2, 3]), float([4, 2, 3]), float([3, 3]), float([2, 3]), float([2, 3])],
    run: ([a, b, weight, first, second]) => {
      const { carries, outputs } = scan(
        ([h, c], [x, y]) => {
          const next = tanh(add(matmul(h!, weight!), x!));
          const cell = add(mul(c!, logistic(y!)), next);
          return { carries: [next, cell], outputs: [mul(next, cell)] };
        },
        [first!, second!],
        [a!, b!],
        { reverse },
      );
      return [...carries, ...outputs];
    },
  })),
  {
    title: "a composite in the body",
    inputs: [float([3, 2, 12]), float([2, 3]), float([3, 12])],
    run: ([gates, start, weight]) => {
      const { carries, outputs } = scan(
        ([hidden, cell], [entry]) => {
          const next = lstmCell(add(entry!, matmul(hidden!, weight!)), cell!);
          return { carries: [next.hidden, next.cell], outputs: [next.hidden] };
        },
        [start!, start!],
        [gates!],
      );
      return [...carries, ...outputs];
    },
  },
  {
    title: "an integer carry",
    inputs: [float([4, 3])],
    run: ([x], type) => {
      const { carries, outputs } = scan(
        ([count, sum], [entry]) => {
          const weight = convert(add(count!, 1), type);
          return { carries: [add(count!, 1), add(sum!, mul(entry!, weight))], outputs: [mul(sum!, entry!)] };
        },
        [constant(0, "i32"), constant([0, 0, 0], type)],
        [x!],
      );
      return [carries[1]!, ...outputs];
    },
  },
  {
    title: "one step without sequences",
    inputs: [float([3])],
    run: ([x]) => scan(([a]) => ({ carries: [mul(a!, a!)], outputs: [] }), [x!], [], { length: 1 }).carries,
  },
  {
    title: "no carry",
    inputs: [float([3, 2]), float([2])],
    run: ([x, y]) => scan((_, [entry]) => ({ carries: [], outputs: [mul(entry!, y!)] }), [], [x!]).outputs,
  },
  {
    title: "integer sequence",
    inputs: [i32([4, 2], below(9)), float([2])],
    run: ([ids, x], type) =>
      scan(([sum], [id]) => ({ carries: [add(sum!, mul(convert(id!, type), x!))], outputs: [] }), [x!], [ids!]).carries,
  },
];

const bend = (x: Tensor, y: Tensor): Tensor[] => [mul(sin(x), tanh(y)), sub(x, y)];

const callSamples: Sample[] = [
  {
    title: "checkpoint",
    inputs: [float([2, 3]), float([2, 3])],
    run: ([x, y]) => checkpoint((a, b) => bend(a!, b!))(x!, y!),
  },
  {
    title: "checkpoint of one operand twice, with an outer tensor",
    inputs: [float([3]), float([3])],
    run: ([x, y]) => checkpoint((a, b) => mul(add(bend(a!, b!)[0]!, y!), b!))(x!, x!),
  },
  {
    title: "custom",
    inputs: [float([2, 3])],
    run: ([x]) =>
      customGradient(
        (a) => sin(a!),
        // cos(x) by another way: the derivative of the rule is then right as well.
        ({ inputs: [a], cotangents: [dy] }) => [mul(dy!, sin(add(a!, Math.PI / 2)))],
      )(x!),
  },
];

/** Samples of operations with bodies. */
export const controlSamples = { scan: scanSamples, call: callSamples };
