import { describe, expect, it } from "vitest";
import { gradients } from "../../../autodiff/grad.ts";
import type { Graph } from "../../../ir/graph.ts";
import { optimize } from "../../../ir/pass/optimize.ts";
import { tensorType } from "../../../ir/shape.ts";
import { checkpoint } from "../../../tensor/call.ts";
import { add, constant, convert, mul, tanh } from "../../../tensor/elementwise.ts";
import { attention, dropoutMask, embedding, gelu, layerNorm, linear } from "../../../tensor/fused.ts";
import { split } from "../../../tensor/movement.ts";
import { sum } from "../../../tensor/reduction.ts";
import { scan } from "../../../tensor/scan.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { emitOne, trace } from "../../../tensor/trace.ts";
import { lowerToStableHlo } from "./lower-to-stablehlo.ts";
import type { LowerOptions } from "./module.ts";

const f32 = (...shape: number[]) => tensorType("f32", shape);
const bf16 = (...shape: number[]) => tensorType("bf16", shape);

const linesOf = (graph: Graph, options: LowerOptions = {}): string[] =>
  lowerToStableHlo(graph, { locations: false, ...options })
    .text.split("\n")
    .map((line) => line.trim());

const linesWith = (graph: Graph, word: string, options?: LowerOptions): string[] =>
  linesOf(graph, options).filter((line) => line.includes(word));

describe("names and places", () => {
  it("keeps the names of inputs, and every input, read or not (executors bind by position)", () => {
    const graph = trace("two words", { "layer.0-weight": f32(2), unused: f32(3) }, (x) => ({
      y: tanh(x["layer.0-weight"]!),
    }));
    const module = lowerToStableHlo(graph);
    expect(module.text).toContain("module @two_words ");
    expect(module.text).toContain("%layer.0_weight: tensor<2xf32>");
    expect(module.text).toContain("%unused: tensor<3xf32>");
    expect(module.inputNames).toEqual(["layer.0-weight", "unused"]);
    expect(module.inputs).toEqual([f32(2), f32(3)]);
  });

  it("keeps names apart that would fall together (a name defined twice is refused by every parser)", () => {
    const graph = trace("names", { "a b": f32(2), a_b: f32(2), "add.0": f32(2) }, (x) => ({
      y: add(add(x["a b"]!, x.a_b!), x["add.0"]!),
    }));
    const defined = linesOf(graph).flatMap((line) =>
      [...line.matchAll(/^(%[\w.$]+)(?=:| =)/g)].map(([, name]) => name),
    );
    expect(new Set(defined).size).toBe(defined.length);
    expect(defined).toHaveLength(5);
  });

  it("says where lines were traced, with the operation's name", () => {
    const graph = trace("where", { x: f32(2) }, ({ x }) => ({ y: tanh(x) }));
    expect(lowerToStableHlo(graph).text).toMatch(
      /stablehlo\.tanh %x : tensor<2xf32> loc\("tanh"\("[^"]*lower-to-stablehlo\.test\.ts":\d+:0\)\)/,
    );
  });

  it("gives the same text for the same graph (compilers' caches go by it)", () => {
    const build = () =>
      trace("same", { x: f32(2, 4), g: f32(4), b: f32(4) }, ({ x, g, b }) => ({ y: layerNorm(gelu(x), g, b, 1e-5) }));
    expect(lowerToStableHlo(build()).text).toBe(lowerToStableHlo(build()).text);
  });
});

describe("functions", () => {
  it("writes a composite once for all nodes of one type, and again for another", () => {
    const graph = trace("shared", { x: f32(2, 4), z: f32(3, 4) }, ({ x, z }) => ({
      y: gelu(gelu(x)),
      w: gelu(z),
      t: gelu(x, "tanh"),
    }));
    expect(linesWith(graph, "func.func private @gelu")).toHaveLength(3);
    expect(linesWith(graph, "func.call @gelu")).toHaveLength(4);
  });
});

describe("dtypes", () => {
  it("makes gradients of weights in f32 where bf16 is only on the way (rounded to bf16 they lose 16 bits)", () => {
    const graph = trace("wide", { x: f32(6, 4), w: f32(3, 4), b: f32(3) }, ({ x, w, b }) => {
      const half = (t: Tensor) => convert(t, "bf16");
      const y = convert(linear(half(x), half(w), half(b)), "f32");
      const [dw, db] = gradients(sum(mul(y, y)), [w, b]);
      return { dw: dw!, db: db! };
    });
    const lines = linesOf(graph);
    const products = lines.filter((line) => line.includes("dot_general"));
    expect(products).toHaveLength(2);
    expect(products[0]).toMatch(/\(tensor<6x4xbf16>, tensor<3x4xbf16>\) -> tensor<6x3xbf16>$/);
    expect(products[1]).toMatch(/\(tensor<6x3xbf16>, tensor<6x4xbf16>\) -> tensor<3x4xf32>$/);
    expect(lines.find((line) => line.includes("stablehlo.reduce"))).toMatch(/-> tensor<3xf32>$/);
    // The two results leave as they were made.
    expect(lines.filter((line) => line.startsWith("func.return"))[0]).not.toContain("convert");
  });

  it("keeps products in bf16 that are read in bf16 (f32 would double what is written)", () => {
    const graph = trace("narrow", { x: bf16(6, 4), w: bf16(3, 4) }, ({ x, w }) => {
      const y = linear(x, w);
      return { y, z: convert(y, "f32") };
    });
    expect(linesWith(graph, "dot_general")[0]).toMatch(/-> tensor<6x3xbf16>$/);
  });

  it("asks for products of f32 in f32, unless told otherwise (TF32 has 10 bits)", () => {
    const graph = trace("full", { x: f32(6, 4), w: f32(3, 4) }, ({ x, w }) => ({ y: linear(x, w) }));
    expect(linesWith(graph, "dot_general")[0]).toContain("precision = [HIGHEST, HIGHEST]");
    expect(linesWith(graph, "dot_general", { f32Products: "fast" })[0]).not.toContain("precision");
  });

  it("sums 16-bit updates of a table in f32 (thousands meet in one row)", () => {
    const ids = tensorType("i32", [4096]);
    const graph = trace("table", { table: bf16(3, 2), ids }, ({ table, ids }) => {
      const [d] = gradients(sum(convert(embedding(table, ids), "f32")), [table]);
      return { d: d! };
    });
    const scatter = linesWith(graph, "}) : (tensor<3x2xf32>, tensor<4096xi32>, tensor<4096x2xf32>) -> tensor<3x2xf32>");
    expect(scatter).toHaveLength(1);
    expect(linesWith(graph, "scatter", { oneHotRows: 3 })).toEqual([]);
    expect(linesWith(graph, "dot_general", { oneHotRows: 3 })[0]).toMatch(
      /contracting_dims = \[0\] x \[0\] : \(tensor<4096x3xbf16>, tensor<4096x2xbf16>\) -> tensor<3x2xf32>$/,
    );
  });
});

describe("sums", () => {
  it("puts the gradients of a split side by side (each would be padded to the whole, and the whole added up)", () => {
    const graph = trace("split", { x: f32(2, 6) }, ({ x }) => {
      const [a, b, c] = split(x, 1, 3) as [Tensor, Tensor, Tensor];
      return { d: gradients(sum(add(mul(a, b), mul(tanh(c), a))), [x])[0]! };
    });
    const joined = linesWith(graph, "stablehlo.concatenate");
    expect(joined).toHaveLength(1);
    expect(joined[0]).toMatch(/dim = 1 : \(tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>\) -> tensor<2x6xf32>$/);
    expect(linesWith(graph, "stablehlo.pad")).toEqual([]);
  });

  it("leaves pads that overlap or leave a gap as they are", () => {
    const padded = (x: Tensor, low: number, high: number) =>
      emitOne("pad", [x], { low: [low], high: [high], interior: [0] });
    const graph = trace("overlap", { x: f32(3), y: f32(3) }, ({ x, y }) => ({
      overlap: add(padded(x, 0, 2), padded(y, 2, 0)),
      gap: add(padded(x, 0, 4), padded(y, 4, 0)),
    }));
    expect(linesWith(graph, "stablehlo.concatenate")).toEqual([]);
    expect(linesWith(graph, "stablehlo.pad")).toHaveLength(4);
  });

  it("adds the rows of a tied table to its other gradient (a table of zeros would be written, read and added)", () => {
    const graph = trace("tied", { table: f32(5, 4), ids: tensorType("i32", [3]) }, ({ table, ids }) => {
      const half = convert(table, "bf16");
      const logits = convert(linear(embedding(half, ids), half), "f32");
      return { d: gradients(sum(mul(logits, logits)), [table])[0]! };
    });
    const lines = linesOf(optimize(graph));
    const scatter = lines.find((line) => line.includes('"stablehlo.scatter"'));
    expect(scatter).toMatch(/"stablehlo\.scatter"\(%dot\.\d+, %ids, /);
    expect(lines.filter((line) => line.startsWith("}) : (tensor<5x4xf32>"))).toHaveLength(1);
  });
});

describe("recomputation", () => {
  it("holds what is computed again back behind one barrier, tied to what stands before (else it is shared, or early)", () => {
    const graph = trace("checkpoint", { x: f32(4), w: f32(4) }, ({ x, w }) => {
      const block = checkpoint((h) => tanh(mul(tanh(mul(h!, w)), w)));
      const y = sum(mul(block(block(x)[0]!)[0]!, 3));
      return { y, d: gradients(y, [w])[0]! };
    });
    const barriers = linesWith(graph, "optimization_barrier");
    expect(barriers).toHaveLength(2);
    for (const line of barriers) expect(line).toMatch(/^%\S+:3 = stablehlo\.optimization_barrier %\S+, %\S+, %\S+ :/);
    // Two blocks of two, forward and again.
    expect(linesWith(graph, "stablehlo.tanh")).toHaveLength(8);
  });
});

describe("donations", () => {
  const graph = trace("step", { w: f32(3), m: f32(3), x: bf16(3) }, ({ w, m, x }) => ({
    loss: sum(w),
    w: add(w, convert(x, "f32")),
    m: mul(m, 0.9),
  }));

  it("says which result takes an input's memory, and which inputs are gone", () => {
    const module = lowerToStableHlo(graph, {
      donations: new Map([
        ["w", "w"],
        ["m", "m"],
      ]),
    });
    expect(module.donated).toEqual([0, 1]);
    expect(module.text).toContain("%w: tensor<3xf32> {tf.aliasing_output = 1 : i32}");
    expect(module.text).toContain("%m: tensor<3xf32> {tf.aliasing_output = 2 : i32}");
  });

  it.each([
    [[["w", "nothing"]], "no output called nothing"],
    [[["nothing", "w"]], "no input called nothing"],
    [[["x", "w"]], "bf16[3] and f32[3]"],
    [
      [
        ["w", "m"],
        ["m", "m"],
      ],
      "output m cannot take the memory of w and m",
    ],
  ] as const)("refuses %j", (pairs, words) => {
    const run = () => lowerToStableHlo(graph, { donations: new Map(pairs.map(([from, to]) => [from, to])) });
    expect(run).toThrow(expect.objectContaining({ code: "DONATION_INVALID", message: expect.stringContaining(words) }));
  });
});

describe("several devices", () => {
  const graph = trace("spread", { w: f32(4), x: f32(8, 4) }, ({ w, x }) => ({ loss: sum(mul(x, x)), w: mul(w, 2) }));

  it("writes the shardings of inputs and outputs in XLA's notation", () => {
    const { text, inputShardings } = lowerToStableHlo(graph, {
      partitioning: { partitions: 2, inputs: new Map([["x", { axis: 0 }]]) },
    });
    expect(text).toContain("mhlo.num_partitions = 2 : i32");
    expect(text).toContain('%w: tensor<4xf32> {mhlo.sharding = "{replicated}"}');
    expect(text).toContain('%x: tensor<8x4xf32> {mhlo.sharding = "{devices=[2,1]<=[2]}"}');
    expect(inputShardings).toEqual(["replicated", { axis: 0 }]);
  });

  // Shardy gives a module with GSPMD's attributes back to GSPMD, without an error.
  it("writes them in Shardy's alone where that divides, and nothing of either for one device", () => {
    const partitioning = { partitions: 2, inputs: new Map([["x", { axis: 0 }]]) };
    const { text } = lowerToStableHlo(graph, { partitioner: "shardy", partitioning });
    expect(text).toContain('sdy.mesh @mesh = <["device"=2]>');
    expect(text).toContain("%w: tensor<4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{}]>}");
    expect(text).toContain('%x: tensor<8x4xf32> {sdy.sharding = #sdy.sharding<@mesh, [{"device"}, {}]>}');
    expect(text).not.toContain("mhlo.sharding");
    expect(lowerToStableHlo(graph, { partitioner: "shardy" }).text).not.toMatch(/sdy|mhlo\.sharding/);
  });

  it.each([
    [{ partitions: 3, inputs: new Map([["x", { axis: 0 }]]) }, "divide into 3 equal parts; got f32[8,4]"],
    [{ partitions: 2, inputs: new Map([["x", { axis: 2 }]]) }, "axis 2 of input x must be there"],
    [{ partitions: 2, outputs: new Map([["y", { axis: 0 }]]) }, "no output called y"],
    [{ partitions: 0 }, "at least 1; got 0"],
  ])("refuses %j", (partitioning, words) => {
    expect(() => lowerToStableHlo(graph, { partitioning })).toThrow(
      expect.objectContaining({ code: "SHARDING_INVALID", message: expect.stringContaining(words) }),
    );
  });

  it("refuses to give memory to a result that lies otherwise", () => {
    const partitioning = { partitions: 2, inputs: new Map([["w", { axis: 0 }]]) };
    expect(() => lowerToStableHlo(graph, { partitioning, donations: new Map([["w", "w"]]) })).toThrow(
      expect.objectContaining({ code: "DONATION_INVALID" }),
    );
  });
});

describe("attention", () => {
  const kernels = new Set([
    "__cudnn$fmhaSoftmax",
    "__cudnn$fmhaSoftmaxBackward",
    "__cudnn$fmhaScaleBiasSoftmax",
    "__cudnn$fmhaScaleBiasSoftmaxBackward",
  ]);
  const inputs = { q: bf16(2, 8, 3, 16), k: bf16(2, 8, 3, 16), v: bf16(2, 8, 3, 16), bias: f32(2, 1, 1, 8) };
  const step = (types: typeof inputs, options: (symbols: Record<keyof typeof inputs, Tensor>) => object) =>
    trace("attention", types, (symbols) => {
      const { q, k, v } = symbols as Record<keyof typeof inputs, Tensor>;
      const y = attention(q, k, v, options(symbols as Record<keyof typeof inputs, Tensor>));
      const [dq, dk, dv] = gradients(sum(convert(mul(y, y), "f32")), [q, k, v]);
      return { dq: dq!, dk: dk!, dv: dv! };
    });

  it("is a fused kernel both ways where the compiler has it: no scores anywhere", () => {
    const module = lowerToStableHlo(
      step(inputs, ({ bias }) => ({ bias })),
      { customCalls: kernels },
    );
    expect(module.attention).toEqual({ fused: 1, exact: 0 });
    const forward = module.text.split("\n").find((line) => line.includes("@__cudnn$fmhaScaleBiasSoftmax("));
    const backward = module.text.split("\n").find((line) => line.includes("@__cudnn$fmhaScaleBiasSoftmaxBackward("));
    expect(forward).toContain("tensor<2x1x8x8xbf16>) -> (tensor<2x3x8x16xbf16>, tensor<2x3x8xf32>, tensor<0xui8>)");
    expect(backward?.split(" : ").at(-1)).toMatch(
      /^\(tensor<2x8x3x16xbf16>(, tensor<2x8x3x16xbf16>){2}, tensor<2x3x8xf32>/,
    );
    expect(module.text).not.toContain("tensor<2x3x8x8x");
  });

  it("is each device's own work on its rows where there are several (XLA would gather all rows on each for a call)", () => {
    const graph = step(inputs, ({ bias }) => ({ bias }));
    const partitioning = { partitions: 2, inputs: new Map(["q", "k", "v", "bias"].map((name) => [name, { axis: 0 }])) };
    const { text } = lowerToStableHlo(graph, { customCalls: kernels, partitioning });
    const calls = text.split("\n").filter((line) => line.includes("@__cudnn$"));
    expect(calls).toHaveLength(2);
    for (const line of calls) expect(line).toMatch(/: \(tensor<1x8x3x16xbf16>, .*tensor<1x1x8x8xbf16>/);
    expect(text.match(/@SPMDFullToShardShape\(/g)).toHaveLength(4 + 7);
    expect(text.match(/@SPMDShardToFullShape\(/g)).toHaveLength(2 + 3);
  });

  it("is so under Shardy in regions, whose biases of one row for all are on every device", () => {
    const graph = step({ ...inputs, bias: f32(1, 1, 1, 8) }, ({ bias }) => ({ bias }));
    const partitioning = { partitions: 2, inputs: new Map(["q", "k", "v"].map((name) => [name, { axis: 0 }])) };
    const { text } = lowerToStableHlo(graph, { customCalls: kernels, partitioner: "shardy", partitioning });
    const calls = text.split("\n").filter((line) => line.includes("@__cudnn$"));
    expect(calls).toHaveLength(2);
    for (const line of calls) expect(line).toMatch(/: \(tensor<1x8x3x16xbf16>, .*tensor<1x1x8x8xbf16>/);
    const regions = text.split("\n").filter((line) => line.includes("sdy.manual_computation"));
    const rows = '<@mesh, [{"device"}, {}, {}, {}]>';
    const all = "<@mesh, [{}, {}, {}, {}]>";
    const statistic = '<@mesh, [{"device"}, {}, {}]>';
    expect(regions.map((line) => /in_shardings=\[(.*)\] out_shardings/.exec(line)?.[1])).toEqual([
      [rows, rows, rows, all].join(", "),
      [rows, rows, rows, statistic, rows, all, rows].join(", "),
    ]);
    expect(text).not.toMatch(/@SPMD|@Sharding/);
  });

  it("describes itself as XLA reads it", () => {
    const { text } = lowerToStableHlo(
      step(inputs, () => ({ scale: 0.5 })),
      { customCalls: kernels },
    );
    const [forward, backward] = [...text.matchAll(/backend_config = ("(?:[^"\\]|\\.)*")/g)].map(
      ([, quoted]) =>
        JSON.parse(JSON.parse(quoted!) as string) as { cudnn_fmha_backend_config: Record<string, unknown> },
    );
    expect(forward?.cudnn_fmha_backend_config).toMatchObject({
      fmha_scale: 0.5,
      mask_type: "NO_MASK",
      dropout_rate: 0,
      intermediate_tensor_shape: { element_type: "BF16", dimensions: ["2", "3", "8", "8"] },
    });
    expect(Object.keys(forward!.cudnn_fmha_backend_config)).toContain("bmm1_dot_dimension_numbers");
    expect(Object.keys(backward!.cudnn_fmha_backend_config)).toContain("bmm2_grad_gemm2_dot_dimension_numbers");
  });

  it("asks for no statistic where nothing is differentiated", () => {
    const graph = trace("forward", inputs, ({ q, k, v }) => ({ y: attention(q, k, v) }));
    const { text } = lowerToStableHlo(graph, { customCalls: kernels });
    expect(text).toContain("-> (tensor<2x3x8x16xbf16>, tensor<0xui8>)");
  });

  const wide = Object.fromEntries(
    Object.entries(inputs).map(([name, { shape }]) => [name, f32(...shape)]),
  ) as unknown as typeof inputs;
  const odd = { ...inputs, q: bf16(2, 8, 3, 12), k: bf16(2, 8, 3, 12), v: bf16(2, 8, 3, 12) };
  it.each<[string, Graph, LowerOptions]>([
    ["without the kernels", step(inputs, () => ({})), {}],
    ["with the forward kernel only", step(inputs, () => ({})), { customCalls: new Set(["__cudnn$fmhaSoftmax"]) }],
    ["in f32", step(wide, () => ({})), { customCalls: kernels }],
    ["of a head size that is no multiple of 8", step(odd, () => ({})), { customCalls: kernels }],
    [
      "with dropout, whose masks are ours",
      step(inputs, () => ({ dropoutMask: dropoutMask(constant([1, 2], "u32"), [2, 3, 8, 8], 0.1) })),
      { customCalls: kernels },
    ],
  ])("is written out %s", (_, graph, options) => {
    const { text, attention: counts } = lowerToStableHlo(graph, options);
    expect(counts).toEqual({ fused: 0, exact: 1 });
    expect(text).not.toContain("custom_call");
    expect(text).toContain("func.call @attentionGrad(");
  });
});

describe("loops", () => {
  it("hands constants and sequences round, so that the body reads nothing from outside", () => {
    const graph = trace("loop", { x: f32(5, 3), w: f32(3) }, ({ x, w }) => {
      const { carries, outputs } = scan(
        ([h], [entry]) => {
          const next = tanh(add(mul(h!, w), entry!));
          return { carries: [next], outputs: [mul(next, 2)] };
        },
        [w],
        [x],
        { reverse: true },
      );
      return { last: carries[0]!, all: outputs[0]! };
    });
    const lines = linesOf(graph);
    const start = lines.findIndex((line) => line.includes("stablehlo.while("));
    const body = lines.slice(lines.indexOf("} do {", start) + 1, lines.indexOf("}", start + 1));
    const inside = new Set(body.flatMap((line) => /^(%[\w.$]+)/.exec(line)?.[1] ?? []));
    const held = new Set([...lines[start]!.matchAll(/(%[\w.$]+) = %/g)].map(([, name]) => name));
    const read = body.flatMap((line) => [...line.replace(/^%\S+ =/, "").matchAll(/%[\w.$]+/g)].map(([name]) => name));
    expect(read.filter((name) => !inside.has(name) && !held.has(name))).toEqual([]);
    expect(held.size).toBe(5);
  });
});
