/** @file Programs that tests and timings share: AdamW and a sum of squares, built by hand. */
import { GraphBuilder } from "../../ir/builder.ts";
import type { Value } from "../../ir/graph.ts";
import type { SweepProgram } from "../backend.ts";

/** A builder of scalar f32 expressions. */
export class ScalarBuilder {
  readonly graph: GraphBuilder;

  constructor(name: string) {
    this.graph = new GraphBuilder(name);
  }

  input(name: string): Value {
    return this.graph.input(name, "f32", []);
  }

  constant(x: number): Value {
    return this.graph.emit("constant", [], { dtype: "f32", shape: [], data: Float64Array.of(x) })[0]!;
  }

  unary(op: "neg" | "abs" | "sqrt" | "exp" | "log" | "tanh" | "floor" | "sign", a: Value): Value {
    return this.graph.emit(op, [a], {})[0]!;
  }

  binary(op: "add" | "sub" | "mul" | "div" | "max" | "min" | "pow", a: Value, b: Value): Value {
    return this.graph.emit(op, [a, b], {})[0]!;
  }
}

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** Scalars: learningRate, weightDecay, gradScale, step. As PyTorch's AdamW, with bias corrections from the step number. */
export function adamWProgram({ beta1, beta2, epsilon }: AdamWSettings): SweepProgram {
  const b = new ScalarBuilder("adamw");
  const [value, grad, m, v] = ["value", "grad", "m", "v"].map((name) => b.input(name)) as [Value, Value, Value, Value];
  const [rate, decay, scale, step] = ["learningRate", "weightDecay", "gradScale", "step"].map((name) =>
    b.input(name),
  ) as [Value, Value, Value, Value];
  const one = b.constant(1);
  const [b1, b2] = [b.constant(beta1), b.constant(beta2)];
  const g = b.binary("mul", grad, scale);
  const newM = b.binary("add", b.binary("mul", b1, m), b.binary("mul", b.binary("sub", one, b1), g));
  const g2 = b.binary("mul", g, g);
  const newV = b.binary("add", b.binary("mul", b2, v), b.binary("mul", b.binary("sub", one, b2), g2));
  const correction1 = b.binary("sub", one, b.binary("pow", b1, step));
  const correction2 = b.unary("sqrt", b.binary("sub", one, b.binary("pow", b2, step)));
  const root = b.binary("mul", b.unary("sqrt", newV), b.binary("div", one, correction2));
  const update = b.binary("div", newM, b.binary("add", root, b.constant(epsilon)));
  const kept = b.binary("mul", value, b.binary("sub", one, b.binary("mul", rate, decay)));
  const newValue = b.binary("sub", kept, b.binary("mul", b.binary("div", rate, correction1), update));
  return {
    graph: b.graph.finish([
      { name: "value", value: newValue },
      { name: "m", value: newM },
      { name: "v", value: newV },
    ]),
    inputs: [
      ...["value", "grad", "m", "v"].map((section) => ({ section })),
      ...["learningRate", "weightDecay", "gradScale", "step"].map((scalar) => ({ scalar })),
    ],
    outputs: ["value", "m", "v"].map((section) => ({ section })),
  };
}

/** Sum "squares" of section "grad". */
export function sumOfSquaresProgram(): SweepProgram {
  const b = new ScalarBuilder("sumOfSquares");
  const grad = b.input("grad");
  return {
    graph: b.graph.finish([{ name: "squares", value: b.binary("mul", grad, grad) }]),
    inputs: [{ section: "grad" }],
    outputs: [{ sum: "squares" }],
  };
}
