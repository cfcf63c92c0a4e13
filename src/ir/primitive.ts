/** @file The closed set of primitives: shape rule and meaning of each. */
import { type DType, isFloat, isInteger, type TensorType } from "./dtype.ts";
import type { PrimitiveName } from "./graph.ts";
import { type OpSpec, refuse, requireAxes, requireCount, requireShape } from "./rule.ts";
import { sameShape, sameType, sizeOf, tensorType, withoutAxes } from "./shape.ts";

type Accepts = (dtype: DType) => boolean;
const numeric: Accepts = (dtype) => dtype !== "bool" && dtype !== "i8";
const bitwise: Accepts = (dtype) => dtype === "bool" || isInteger(dtype);

/** A dtype rule shared by elementwise operations of one operand. */
function unary<P extends PrimitiveName>(op: P, doc: string, accepts: Accepts = isFloat): OpSpec<P> {
  return {
    doc,
    infer: (inputs) => {
      requireCount(op, inputs, 1);
      const [x] = inputs as [TensorType];
      if (!accepts(x.dtype)) refuse(op, `does not take ${x.dtype}`, inputs);
      return [tensorType(x.dtype, x.shape)];
    },
  };
}

function binary<P extends PrimitiveName>(op: P, doc: string, accepts: Accepts = numeric): OpSpec<P> {
  return {
    doc,
    infer: (inputs) => {
      requireCount(op, inputs, 2);
      const [a, b] = inputs as [TensorType, TensorType];
      if (!sameType(a, b)) refuse(op, "operands must have one type", inputs);
      if (!accepts(a.dtype)) refuse(op, `does not take ${a.dtype}`, inputs);
      return [tensorType(a.dtype, a.shape)];
    },
  };
}

export const primitiveSpecs: { readonly [P in PrimitiveName]: OpSpec<P> } = {
  constant: {
    doc: "A tensor known when the graph is traced.",
    infer: (inputs, { dtype, shape, data }) => {
      requireCount("constant", inputs, 0);
      requireShape("constant", shape);
      if (data.length !== sizeOf(shape)) {
        refuse("constant", `${data.length} elements given for shape [${shape.join(",")}]`, inputs);
      }
      return [tensorType(dtype, shape)];
    },
  },
  iota: {
    doc: "The index along one axis.",
    infer: (inputs, { dtype, shape, axis }) => {
      requireCount("iota", inputs, 0);
      requireShape("iota", shape);
      requireAxes("iota", tensorType(dtype, shape), [axis], "axis");
      return [tensorType(dtype, shape)];
    },
  },

  neg: unary("neg", "−x (two's complement for integers).", numeric),
  abs: unary("abs", "|x|.", (dtype) => isFloat(dtype) || dtype === "i32"),
  sign: unary("sign", "−1, 0 or 1.", (dtype) => isFloat(dtype) || dtype === "i32"),
  floor: unary("floor", "Largest whole number ≤ x."),
  exp: unary("exp", "eˣ."),
  log: unary("log", "Natural logarithm."),
  sqrt: unary("sqrt", "Square root."),
  tanh: unary("tanh", "Hyperbolic tangent."),
  erf: unary("erf", "Error function."),
  logistic: unary("logistic", "1 / (1 + e⁻ˣ)."),
  sin: unary("sin", "Sine."),
  cos: unary("cos", "Cosine."),
  not: unary("not", "Logical not; bitwise for integers.", bitwise),
  convert: {
    doc: "Same values in another dtype: floats truncate toward zero to integers, bool is 0 or 1, non-zero is true. Nothing becomes i8 in a graph.",
    infer: (inputs, { dtype }) => {
      requireCount("convert", inputs, 1);
      if (dtype === "i8" && inputs[0]!.dtype !== "i8") refuse("convert", "does not give i8", inputs);
      return [tensorType(dtype, inputs[0]!.shape)];
    },
  },
  stopGradient: unary("stopGradient", "x, but constant to differentiation.", () => true),
  barrier: unary("barrier", "x, but opaque to common-subexpression elimination (for recomputation).", () => true),

  add: binary("add", "a + b (wraps for integers)."),
  sub: binary("sub", "a − b (wraps for integers)."),
  mul: binary("mul", "a · b (wraps for integers)."),
  div: binary("div", "a / b; integers truncate toward zero."),
  max: binary("max", "Larger of the two."),
  min: binary("min", "Smaller of the two."),
  pow: binary("pow", "aᵇ.", isFloat),
  and: binary("and", "Logical or bitwise and.", bitwise),
  or: binary("or", "Logical or bitwise or.", bitwise),
  xor: binary("xor", "Logical or bitwise exclusive or.", bitwise),
  shiftLeft: binary("shiftLeft", "Bits shifted up by b.", (dtype) => dtype === "u32"),
  shiftRight: binary("shiftRight", "Bits shifted down by b, zeros in.", (dtype) => dtype === "u32"),
  compare: {
    doc: "a (eq|ne|lt|le|gt|ge) b, as bool.",
    infer: (inputs) => {
      requireCount("compare", inputs, 2);
      const [a, b] = inputs as [TensorType, TensorType];
      if (!sameType(a, b)) refuse("compare", "operands must have one type", inputs);
      return [tensorType("bool", a.shape)];
    },
  },
  select: {
    doc: "Where the predicate holds the second operand, elsewhere the third.",
    infer: (inputs) => {
      requireCount("select", inputs, 3);
      const [predicate, a, b] = inputs as [TensorType, TensorType, TensorType];
      if (predicate.dtype !== "bool" || !sameShape(predicate.shape, a.shape) || !sameType(a, b)) {
        refuse("select", "takes a bool predicate and two operands of one type and the same shape", inputs);
      }
      return [tensorType(a.dtype, a.shape)];
    },
  },

  dot: {
    doc: "Sum of products over the contracted axes; result axes: batch, then left free, then right free.",
    infer: (inputs, { lhsBatch, rhsBatch, lhsContract, rhsContract }) => {
      requireCount("dot", inputs, 2);
      const [lhs, rhs] = inputs as [TensorType, TensorType];
      requireAxes("dot", lhs, [...lhsBatch, ...lhsContract], "left axes");
      requireAxes("dot", rhs, [...rhsBatch, ...rhsContract], "right axes");
      if (lhs.dtype !== rhs.dtype || !isFloat(lhs.dtype)) refuse("dot", "operands must share a float dtype", inputs);
      const fits = (a: readonly number[], b: readonly number[]) =>
        a.length === b.length && a.every((axis, i) => lhs.shape[axis] === rhs.shape[b[i]!]);
      if (!fits(lhsBatch, rhsBatch)) refuse("dot", `batch axes [${lhsBatch}] and [${rhsBatch}] differ`, inputs);
      if (!fits(lhsContract, rhsContract)) {
        refuse("dot", `inner dimensions differ over axes [${lhsContract}] and [${rhsContract}]`, inputs);
      }
      return [
        tensorType(lhs.dtype, [
          ...lhsBatch.map((axis) => lhs.shape[axis]!),
          ...withoutAxes(lhs.shape, [...lhsBatch, ...lhsContract]),
          ...withoutAxes(rhs.shape, [...rhsBatch, ...rhsContract]),
        ]),
      ];
    },
  },
  reduceSum: {
    doc: "Sum over axes, which vanish.",
    infer: (inputs, { axes }) => {
      requireCount("reduceSum", inputs, 1);
      const [x] = inputs as [TensorType];
      requireAxes("reduceSum", x, axes);
      if (!numeric(x.dtype)) refuse("reduceSum", "does not take bool", inputs);
      return [tensorType(x.dtype, withoutAxes(x.shape, axes))];
    },
  },
  reduceMax: {
    doc: "Maximum over axes, which vanish.",
    infer: (inputs, { axes }) => {
      requireCount("reduceMax", inputs, 1);
      const [x] = inputs as [TensorType];
      requireAxes("reduceMax", x, axes);
      if (!numeric(x.dtype)) refuse("reduceMax", "does not take bool", inputs);
      if (axes.some((axis) => x.shape[axis] === 0)) refuse("reduceMax", "an empty axis has no maximum", inputs);
      return [tensorType(x.dtype, withoutAxes(x.shape, axes))];
    },
  },
  argMax: {
    doc: "Index (i32) of the first maximum along an axis, which vanishes.",
    infer: (inputs, { axis }) => {
      requireCount("argMax", inputs, 1);
      const [x] = inputs as [TensorType];
      requireAxes("argMax", x, [axis], "axis");
      if (x.shape[axis] === 0) refuse("argMax", "an empty axis has no maximum", inputs);
      return [tensorType("i32", withoutAxes(x.shape, [axis]))];
    },
  },

  broadcast: {
    doc: "Repeats along new or size-1 axes; operand axis i becomes result axis dims[i].",
    infer: (inputs, { shape, dims }) => {
      requireCount("broadcast", inputs, 1);
      const [x] = inputs as [TensorType];
      requireShape("broadcast", shape);
      const rising = dims.every((dim, i) => dim < shape.length && dim > (dims[i - 1] ?? -1));
      const fits = dims.length === x.shape.length && x.shape.every((size, i) => size === 1 || size === shape[dims[i]!]);
      if (!rising || !fits) refuse("broadcast", `axes [${dims}] do not fit result [${shape}]`, inputs);
      return [tensorType(x.dtype, shape)];
    },
  },
  reshape: {
    doc: "Same elements in row-major order under another shape.",
    infer: (inputs, { shape }) => {
      requireCount("reshape", inputs, 1);
      requireShape("reshape", shape);
      if (sizeOf(shape) !== sizeOf(inputs[0]!.shape)) {
        refuse("reshape", `[${shape}] has ${sizeOf(shape)} elements, not ${sizeOf(inputs[0]!.shape)}`, inputs);
      }
      return [tensorType(inputs[0]!.dtype, shape)];
    },
  },
  transpose: {
    doc: "Result axis i is operand axis permutation[i].",
    infer: (inputs, { permutation }) => {
      requireCount("transpose", inputs, 1);
      const [x] = inputs as [TensorType];
      requireAxes("transpose", x, permutation, "permutation");
      if (permutation.length !== x.shape.length) refuse("transpose", "must name every axis", inputs);
      return [
        tensorType(
          x.dtype,
          permutation.map((axis) => x.shape[axis]!),
        ),
      ];
    },
  },
  slice: {
    doc: "Elements start, start+stride, … below limit on every axis.",
    infer: (inputs, { starts, limits, strides }) => {
      requireCount("slice", inputs, 1);
      const [x] = inputs as [TensorType];
      const whole = [starts, limits, strides].every(
        (bounds) => bounds.length === x.shape.length && bounds.every((bound) => Number.isInteger(bound)),
      );
      const inside = x.shape.every(
        (size, i) => starts[i]! >= 0 && starts[i]! <= limits[i]! && limits[i]! <= size && strides[i]! >= 1,
      );
      if (!whole || !inside) {
        refuse("slice", `[${starts}] to [${limits}] by [${strides}] must be whole numbers and lie inside`, inputs);
      }
      return [
        tensorType(
          x.dtype,
          x.shape.map((_, i) => Math.ceil((limits[i]! - starts[i]!) / strides[i]!)),
        ),
      ];
    },
  },
  concatenate: {
    doc: "Operands one after the other along an axis.",
    infer: (inputs, { axis }) => {
      const [first] = inputs;
      if (first === undefined) refuse("concatenate", "takes at least one operand", inputs);
      requireAxes("concatenate", first, [axis], "axis");
      const fits = inputs.every(
        (x) =>
          x.dtype === first.dtype &&
          x.shape.length === first.shape.length &&
          x.shape.every((size, i) => i === axis || size === first.shape[i]),
      );
      if (!fits) refuse("concatenate", `operands must agree except along axis ${axis}`, inputs);
      const total = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0);
      return [
        tensorType(
          first.dtype,
          first.shape.map((size, i) => (i === axis ? total : size)),
        ),
      ];
    },
  },
  pad: {
    doc: "Zeros before, after and between the elements of every axis.",
    infer: (inputs, { low, high, interior }) => {
      requireCount("pad", inputs, 1);
      const [x] = inputs as [TensorType];
      const valid = [low, high, interior].every(
        (counts) => counts.length === x.shape.length && counts.every((count) => Number.isInteger(count) && count >= 0),
      );
      if (!valid) refuse("pad", `[${low}] [${high}] [${interior}] must give a count ≥ 0 for every axis`, inputs);
      return [
        tensorType(
          x.dtype,
          x.shape.map((size, i) => low[i]! + size + Math.max(0, size - 1) * interior[i]! + high[i]!),
        ),
      ];
    },
  },
  gather: {
    doc: "Entries of an axis by index: the axis is replaced by the axes of the indices (i32, in range).",
    infer: (inputs, { axis }) => {
      requireCount("gather", inputs, 2);
      const [x, indices] = inputs as [TensorType, TensorType];
      requireAxes("gather", x, [axis], "axis");
      if (indices.dtype !== "i32") refuse("gather", "indices must be i32", inputs);
      return [tensorType(x.dtype, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)])];
    },
  },
  scatterAdd: {
    doc: "The operand with updates added at indices of an axis; repeated indices add up. The transpose of gather.",
    infer: (inputs, { axis }) => {
      requireCount("scatterAdd", inputs, 3);
      const [x, indices, updates] = inputs as [TensorType, TensorType, TensorType];
      requireAxes("scatterAdd", x, [axis], "axis");
      if (indices.dtype !== "i32") refuse("scatterAdd", "indices must be i32", inputs);
      const expected = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
      if (updates.dtype !== x.dtype || !sameShape(updates.shape, expected)) {
        refuse("scatterAdd", `updates must be ${x.dtype}[${expected}]`, inputs);
      }
      return [tensorType(x.dtype, x.shape)];
    },
  },
  randomBits: {
    doc: "32 random bits per element, a function of the key u32[2] and the row-major element index i: mix32(mix32(i + key₀) ^ key₁), mix32 as in base/random.",
    infer: (inputs, { shape }) => {
      requireCount("randomBits", inputs, 1);
      requireShape("randomBits", shape);
      if (!sameType(inputs[0]!, tensorType("u32", [2]))) refuse("randomBits", "the key must be u32[2]", inputs);
      return [tensorType("u32", shape)];
    },
  },
  scan: {
    doc: "Runs a body over the leading axis: operands are constants, first carries, then sequences; results are the last carries, then stacked outputs. The body takes constants, carries and one entry of each sequence, and gives carries and outputs.",
    infer: (inputs, { body, numConsts, numCarries, length }) => {
      requireShape("scan", [length]);
      if (body.inputs.length !== inputs.length) {
        refuse("scan", `the body takes ${body.inputs.length} operands`, inputs);
      }
      if (body.inputs.length < numConsts + numCarries || body.outputs.length < numCarries) {
        const counts = `${body.inputs.length} operands and ${body.outputs.length} results`;
        refuse("scan", `the body's ${counts} are too few for ${numConsts} constants and ${numCarries} carries`, inputs);
      }
      body.inputs.forEach(({ value, name }, i) => {
        const given = inputs[i]!;
        const expected = i < numConsts + numCarries ? value : tensorType(value.dtype, [length, ...value.shape]);
        if (!sameType(given, expected))
          refuse("scan", `operand ${i} (${name}) does not fit the body`, [given, expected]);
      });
      body.outputs.slice(0, numCarries).forEach(({ value, name }, i) => {
        const carry = body.inputs[numConsts + i]!.value;
        if (!sameType(value, carry))
          refuse("scan", `carry ${i} (${name}) changes its type in the body`, [carry, value]);
      });
      return body.outputs.map(({ value }, i) =>
        i < numCarries ? tensorType(value.dtype, value.shape) : tensorType(value.dtype, [length, ...value.shape]),
      );
    },
  },
};
