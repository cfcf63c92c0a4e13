/** @file Every operation's gradient, its gradient's gradient, and what programs do with them. */
import { describe, expect, it } from "vitest";
import { grad, vjp } from "../src/autodiff/grad.ts";
import { vjpRules } from "../src/autodiff/table.ts";
import { evaluateGraph } from "../src/backend/reference/evaluate.ts";
import type { HostTensor } from "../src/ir/dtype.ts";
import { isFloat } from "../src/ir/dtype.ts";
import type { OpName } from "../src/ir/graph.ts";
import { tensorType } from "../src/ir/shape.ts";
import { checkpoint, customGradient } from "../src/tensor/call.ts";
import { decompose } from "../src/tensor/decompose/decompose.ts";
import { add, constant, mul, sin, stopGradient, tanh } from "../src/tensor/elementwise.ts";
import { gelu, linear, softmax } from "../src/tensor/fused.ts";
import { sliceAxis } from "../src/tensor/movement.ts";
import { max, square, sum } from "../src/tensor/reduction.ts";
import { scan } from "../src/tensor/scan.ts";
import type { Tensor } from "../src/tensor/tensor.ts";
import { trace } from "../src/tensor/trace.ts";
import {
  derivedGradients,
  gradientErrors,
  named,
  pullBackRandom,
  type TestedFunction,
} from "./support/check-gradients.ts";
import { opNames, opSamples } from "./support/samples/index.ts";
import { drawInputs, float, normal, type Sample } from "./support/samples/sample.ts";

/** Operations that no cotangent passes, and why. */
const notDifferentiable: { readonly [P in OpName]?: string } = {
  constant: "has no operands",
  iota: "has no operands",
  sign: "is constant almost everywhere",
  floor: "is constant almost everywhere",
  not: "takes no floats",
  stopGradient: "is there to stop cotangents",
  and: "takes no floats",
  or: "takes no floats",
  xor: "takes no floats",
  shiftLeft: "takes no floats",
  shiftRight: "takes no floats",
  compare: "gives no floats",
  argMax: "gives no floats",
  randomBits: "takes no floats",
  foldIn: "takes no floats",
  dropoutMask: "takes no floats",
  quantizedLinear: "rounds its operand",
};

const usable = (sample: Sample): boolean =>
  sample.noGradient === undefined && sample.inputs.some(({ dtype, shape }) => dtype === "float" && !shape.includes(0));

const tested =
  (sample: Sample): TestedFunction =>
  (inputs) =>
    sample.run(inputs, "f64");

const tensor = (shape: number[], key = 0): HostTensor =>
  drawInputs("add", key, { title: "", inputs: [float(shape, normal)], run: () => [] }, "f64")[0]!;

const numbers = (tensors: readonly HostTensor[]): number[][] => tensors.map(({ data }) => [...data]);

describe("first derivatives", () => {
  it("exist for exactly the operations that are not listed with a reason", () => {
    const without = opNames.filter((op) => vjpRules[op] === null);
    expect(without.sort()).toEqual(Object.keys(notDifferentiable).sort());
  });

  it.each(opNames.filter((op) => notDifferentiable[op] === undefined))("%s", (op) => {
    const samples = opSamples[op].filter(usable);
    expect(samples.length).toBeGreaterThan(0);
    for (const sample of samples) {
      const inputs = drawInputs(op, opSamples[op].indexOf(sample), sample, "f64");
      expect({ sample: sample.title, errors: gradientErrors(tested(sample), inputs) }).toEqual({
        sample: sample.title,
        errors: [],
      });
    }
  });

  it.each(opNames.filter((op) => notDifferentiable[op] === undefined))("%s, one operand at a time", (op) => {
    for (const sample of opSamples[op].filter(usable)) {
      const inputs = drawInputs(op, opSamples[op].indexOf(sample), sample, "f64");
      const floats = inputs.flatMap(({ dtype }, i) => (isFloat(dtype) ? [i] : []));
      if (floats.length < 2) continue;
      const joint = derivedGradients(tested(sample), inputs);
      floats.forEach((chosen, i) => {
        // All other operands become constants to differentiation: rules then leave out their part of the work.
        const alone: TestedFunction = (xs) =>
          tested(sample)(xs.map((x, k) => (k === chosen || !isFloat(x.dtype) ? x : stopGradient(x))));
        const single = derivedGradients(alone, inputs)[i]!;
        expect([sample.title, chosen, ...single.data]).toEqual([sample.title, chosen, ...joint[i]!.data]);
      });
    }
  });

  it.each(["sign", "floor", "stopGradient"] as const)("%s passes nothing", (op) => {
    const sample = opSamples[op].find(usable)!;
    const gradients = derivedGradients(tested(sample), drawInputs(op, 0, sample, "f64"));
    for (const { data } of gradients) expect([...data].every((x) => x === 0)).toBe(true);
  });
});

describe("second derivatives", () => {
  it.each(opNames.filter((op) => notDifferentiable[op] === undefined))("%s", (op) => {
    for (const sample of opSamples[op].filter(usable)) {
      const inputs = drawInputs(op, opSamples[op].indexOf(sample), sample, "f64");
      const errors = gradientErrors((xs) => pullBackRandom(tested(sample), xs), inputs, { tolerance: 1e-6 });
      expect({ sample: sample.title, errors }).toEqual({ sample: sample.title, errors: [] });
    }
  });
});

describe("ties and edges", () => {
  const values = (...data: number[]): HostTensor => ({
    ...tensorType("f64", [data.length]),
    data: Float64Array.from(data),
  });

  it("share a maximum's cotangent between equals (twice the gradient, or none)", () => {
    const graph = trace("tie", { x: tensorType("f64", [3]) }, ({ x }) => {
      const [d] = vjp([max(x)], [x], [constant(1, "f64")]);
      return { d: d! };
    });
    expect(numbers(evaluateGraph(decompose(graph), [values(2, 2, 1)]))).toEqual([[0.5, 0.5, 0]]);
  });

  it("add the cotangents of a value that is used many times, and of one that is twice an output", () => {
    const graph = trace("uses", { x: tensorType("f64", [2]) }, ({ x }) => {
      const y = mul(x, 3);
      const [d] = vjp(
        [y, y, add(y, x)],
        [x],
        [constant([1, 1], "f64"), constant([1, 1], "f64"), constant([1, 1], "f64")],
      );
      return { d: d! };
    });
    expect(numbers(evaluateGraph(graph, [values(1, 2)]))).toEqual([[10, 10]]);
  });

  it("give zeros where the output does not depend on the input", () => {
    const graph = trace("none", { x: tensorType("f64", [2]), z: tensorType("f64", [3]) }, ({ x, z }) => ({
      d: grad((a, b) => sum(mul(a, stopGradient(sum(b)))), [1])(x, z)[0]!,
    }));
    expect(numbers(evaluateGraph(decompose(graph), [values(1, 2), values(1, 2, 3)]))).toEqual([[0, 0, 0]]);
  });

  it("refuse outputs with axes and integer inputs, by name", () => {
    const run = (dtype: "f32" | "i32") =>
      trace("bad", { x: tensorType(dtype, [2]) }, ({ x }) => ({
        d: grad((a) => (dtype === "i32" ? sum(a) : a))(x)[0]!,
      }));
    expect(() => run("f32")).toThrow(/scalar/);
    expect(() => run("i32")).toThrow(/float/);
  });
});

describe("checkpoint", () => {
  const layer = (x: Tensor, w: Tensor): Tensor => tanh(linear(gelu(x), w));
  const inputs = [tensor([3, 4]), tensor([4, 4], 1)];
  const plain: TestedFunction = ([x, w]) => [softmax(layer(layer(x!, w!), w!))];
  const saved: TestedFunction = ([x, w]) => {
    const block = checkpoint((a) => layer(a!, w!));
    return [softmax(block(block(x!)[0]!)[0]!)];
  };

  it("gives the same gradients bit for bit", () => {
    expect(numbers(derivedGradients(saved, inputs))).toEqual(numbers(derivedGradients(plain, inputs)));
  });

  it("computes its body again in the backward pass, and keeps none of its inner values", () => {
    const count = (run: TestedFunction): number =>
      decompose(
        trace("count", { x: inputs[0]!, w: inputs[1]! }, ({ x, w }) => named(pullBackRandom(run, [x, w]))),
      ).nodes.filter(({ op }) => op === "tanh").length;
    expect(count(plain)).toBe(2);
    expect(count(saved)).toBe(4);
  });

  it("adds the cotangents of a result that it gives twice", () => {
    const run: TestedFunction = ([x]) =>
      checkpoint((a) => {
        const y = sin(a!);
        return [y, y];
      })(x!);
    expect(gradientErrors(run, [tensor([3])])).toEqual([]);
  });
});

describe("customGradient", () => {
  it("uses the given rule in place of the derived one", () => {
    const scaled = customGradient(
      (x) => square(x!),
      ({ inputs: [x], outputs: [y], cotangents: [dy] }) => [mul(dy!, add(mul(x!, 100), y!))],
    );
    const graph = trace("custom", { x: tensorType("f64", []) }, ({ x }) => ({ d: grad((a) => scaled(a)[0]!)(x)[0]! }));
    expect(numbers(evaluateGraph(decompose(graph), [{ ...tensorType("f64", []), data: Float64Array.of(3) }]))).toEqual([
      [309],
    ]);
  });
});

describe("scan", () => {
  const length = 5;
  const step = (h: Tensor, x: Tensor, w: Tensor): Tensor => tanh(add(linear(h, w), x));

  function scanned(reverse: boolean): TestedFunction {
    return ([xs, h, w]) => {
      const { carries, outputs } = scan(
        ([state], [entry]) => {
          const next = step(state!, entry!, w!);
          return { carries: [next], outputs: [square(next)] };
        },
        [h!],
        [xs!],
        { reverse },
      );
      return [carries[0]!, sum(outputs[0]!, 0)];
    };
  }

  function unrolled(reverse: boolean): TestedFunction {
    return ([xs, h, w]) => {
      let state = h!;
      let total: Tensor | undefined;
      for (let i = 0; i < length; i++) {
        const at = reverse ? length - 1 - i : i;
        state = step(state, sum(sliceAxis(xs!, 0, at, at + 1), 0), w!);
        total = total === undefined ? square(state) : add(total, square(state));
      }
      return [state, total!];
    };
  }

  it.each([false, true])("has the gradients of the unrolled loop (reverse %s)", (reverse) => {
    const inputs = [tensor([length, 2, 3]), tensor([2, 3], 1), tensor([3, 3], 2)];
    const looped = derivedGradients(scanned(reverse), inputs);
    const flat = derivedGradients(unrolled(reverse), inputs);
    looped.forEach(({ data }, i) => {
      data.forEach((x: number, k: number) => {
        expect(x).toBeCloseTo(flat[i]!.data[k]!, 12);
      });
    });
    expect(looped.every(({ dtype }) => isFloat(dtype))).toBe(true);
  });

  it("runs its body once forward and once back: nothing is computed again", () => {
    const inputs = [tensor([length, 2, 3]), tensor([2, 3], 1), tensor([3, 3], 2)];
    const graph = trace("count", { xs: inputs[0]!, h: inputs[1]!, w: inputs[2]! }, ({ xs, h, w }) =>
      named(pullBackRandom(scanned(false), [xs, h, w])),
    );
    const bodies = graph.nodes.flatMap((node) => (node.op === "scan" ? [node.params.body] : []));
    expect(bodies.length).toBe(2);
    expect(bodies.map(({ nodes }) => nodes.filter(({ op }) => op === "tanh").length)).toEqual([1, 0]);
  });
});
