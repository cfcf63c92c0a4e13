import type { CompositeName, OpName } from "../../../src/ir/graph.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { emit } from "../../../src/tensor/trace.ts";
import {
  anyU32,
  below,
  direct,
  float,
  given,
  i8,
  i32,
  positive,
  type Sample,
  type SampleInput,
  u32,
} from "./sample.ts";

/** A gradient composite fed with what its forward composite gives: fused kernels may rely on that. */
function after(
  title: string,
  inputs: readonly SampleInput[],
  run: (inputs: readonly Tensor[]) => readonly Tensor[],
): Sample {
  return { title, inputs, run };
}

const rows = [
  [3, 5],
  [1, 1],
  [2, 3, 7],
  [1, 33],
];
const lastOf = (shape: readonly number[]): number => shape[shape.length - 1]!;

interface AttentionSetting {
  readonly title: string;
  readonly bias?: readonly number[];
  readonly mask?: boolean;
  readonly sizes?: readonly [number, number, number, number, number];
}

const attentionSettings: readonly AttentionSetting[] = [
  { title: "plain" },
  { title: "size 1", sizes: [1, 1, 1, 1, 1] },
  { title: "padding bias", bias: [2, 1, 1, 4] },
  { title: "full bias", bias: [2, 2, 3, 4] },
  { title: "head bias", bias: [1, 2, 3, 4] },
  { title: "mask", mask: true },
  { title: "bias and mask", bias: [2, 1, 3, 4], mask: true },
];

function attentionInputs({ bias, mask = false, sizes = [2, 3, 4, 2, 5] }: AttentionSetting): SampleInput[] {
  const [batch, queries, keys, heads, size] = sizes;
  const kv = [batch, keys, heads, size];
  return [
    float([batch, queries, heads, size]),
    float(kv),
    float(kv),
    ...(bias === undefined ? [] : [float(bias)]),
    ...(mask ? [float([batch, heads, queries, keys], (random) => (random.next() < 0.3 ? 0 : 1 / 0.7))] : []),
  ];
}

const attentionSamples: Sample[] = attentionSettings.map((setting) =>
  direct(
    "attention",
    { scale: 0.4, bias: setting.bias !== undefined, mask: setting.mask ?? false },
    attentionInputs(setting),
    { title: setting.title },
  ),
);

const attentionGradSamples: Sample[] = attentionSettings.map((setting) => {
  const forward = attentionInputs(setting);
  const hasBias = setting.bias !== undefined;
  const mask = setting.mask ?? false;
  return after(setting.title, [...forward, forward[0]!], (inputs) => {
    const operands = inputs.slice(0, -1);
    const dOut = inputs[inputs.length - 1]!;
    const [, probabilities] = emit("attention", operands, { scale: 0.4, bias: hasBias, mask });
    const dropped = mask ? [operands[operands.length - 1]!] : [];
    return emit("attentionGrad", [...operands.slice(0, 3), probabilities!, dOut, ...dropped], {
      scale: 0.4,
      mask,
      biasShape: setting.bias ?? null,
    });
  });
});

const labels = (count: number, classes: number): SampleInput =>
  i32([count], (random) => (random.next() < 0.3 ? -100 : random.nextInt(classes)));

const geluTypes = ["none", "tanh"] as const;

export const compositeSamples = {
  linear: [
    direct("linear", { bias: true }, [float([3, 5]), float([4, 5]), float([4])]),
    direct("linear", { bias: false }, [float([3, 5]), float([4, 5])]),
    direct("linear", { bias: true }, [float([2, 3, 5]), float([7, 5]), float([7])]),
    direct("linear", { bias: true }, [float([1, 1]), float([1, 1]), float([1])]),
    direct("linear", { bias: true }, [float([5]), float([3, 5]), float([3])], { title: "one row" }),
  ],
  quantizedLinear: [
    direct("quantizedLinear", { bias: true }, [float([3, 5]), i8([5, 4]), float([4], positive), float([4])]),
    direct("quantizedLinear", { bias: false }, [float([2, 3, 70]), i8([70, 33]), float([33], positive)]),
    direct("quantizedLinear", { bias: true }, [float([5]), i8([5, 3]), float([3], positive), float([3])], {
      title: "one row",
    }),
    direct("quantizedLinear", { bias: false }, [float([3, 6], positive), i8([6, 2]), float([2], positive)], {
      title: "positive only",
    }),
    direct("quantizedLinear", { bias: true }, [float([2, 4], given(0)), i8([4, 3]), float([3]), float([3])], {
      title: "zeros",
    }),
    // Sums far beyond 16 bits: every product is 255 · 127.
    direct("quantizedLinear", { bias: false }, [float([2, 64], given(1)), i8([64, 3], given(127)), float([3])], {
      title: "largest sums",
    }),
  ],
  layerNorm: rows
    .filter((shape) => lastOf(shape) > 1)
    .map((shape) =>
      direct("layerNorm", { epsilon: 1e-5 }, [float(shape), float([lastOf(shape)]), float([lastOf(shape)])]),
    ),
  layerNormGrad: rows
    .filter((shape) => lastOf(shape) > 1)
    .map((shape) =>
      after(`[${shape}]`, [float(shape), float([lastOf(shape)]), float([lastOf(shape)]), float(shape)], (inputs) => {
        const [x, gain, bias, dy] = inputs as [Tensor, Tensor, Tensor, Tensor];
        const [, mean, rstd] = emit("layerNorm", [x, gain, bias], { epsilon: 1e-5 });
        return emit("layerNormGrad", [x, gain, mean!, rstd!, dy], {});
      }),
    ),
  softmax: [
    ...rows.map((shape) => direct("softmax", {}, [float(shape)])),
    direct("softmax", {}, [float([2, 4], given(1000, 1001, -1000, 999))], { title: "large", noGradient: "saturated" }),
    direct("softmax", {}, [float([2, 4], given(0, -Infinity, 1, -3.4e38))], {
      title: "masked",
      noGradient: "infinite",
    }),
  ],
  softmaxGrad: rows.map((shape) =>
    after(`[${shape}]`, [float(shape), float(shape)], ([x, dy]) =>
      emit("softmaxGrad", [emit("softmax", [x!], {})[0]!, dy!], {}),
    ),
  ),
  gelu: geluTypes.flatMap((approximate) => [
    ...rows.map((shape) => direct("gelu", { approximate }, [float(shape)], { title: `${approximate} [${shape}]` })),
    direct("gelu", { approximate }, [float([5], given(-30, -5, 0, 5, 30))], { title: `${approximate} extremes` }),
  ]),
  geluGrad: geluTypes.flatMap((approximate) => [
    ...rows.map((shape) =>
      direct("geluGrad", { approximate }, [float(shape), float(shape)], { title: `${approximate} [${shape}]` }),
    ),
    direct("geluGrad", { approximate }, [float([5], given(-30, -5, 0, 5, 30)), float([5])], {
      title: `${approximate} extremes`,
      noGradient: "1 − tanh² cancels in f32",
    }),
  ]),
  attention: attentionSamples,
  attentionGrad: attentionGradSamples,
  crossEntropy: [
    direct("crossEntropy", {}, [float([6, 5]), labels(6, 5)]),
    direct("crossEntropy", {}, [float([1, 1]), i32([1], given(0))]),
    direct("crossEntropy", {}, [float([3, 4]), i32([3], given(-100))], { title: "nothing scored" }),
    direct("crossEntropy", {}, [float([2, 3], given(1000, 0, -1000)), i32([2], given(0, 2))], {
      title: "large",
      noGradient: "saturated",
    }),
  ],
  crossEntropyGrad: [
    [6, 5],
    [9, 33],
    [1, 2],
  ].map(([count, classes]) =>
    after(`[${count},${classes}]`, [float([count!, classes!]), labels(count!, classes!), float([count!])], (inputs) => {
      const [logits, ids, dLoss] = inputs as [Tensor, Tensor, Tensor];
      const [, logSumExp] = emit("crossEntropy", [logits, ids], {});
      return emit("crossEntropyGrad", [logits, ids, logSumExp!, dLoss], {});
    }),
  ),
  embedding: [
    direct("embedding", {}, [float([7, 3]), i32([2, 5], below(7))]),
    direct("embedding", {}, [float([7, 3]), i32([], below(7))]),
    direct("embedding", {}, [float([1, 1]), i32([3], below(1))]),
  ],
  embeddingGrad: [
    direct("embeddingGrad", { rows: 7 }, [i32([2, 5], below(7)), float([2, 5, 3])]),
    direct("embeddingGrad", { rows: 3 }, [i32([9], given(1)), float([9, 2])], { title: "one row repeated" }),
    direct("embeddingGrad", { rows: 4 }, [i32([], given(2)), float([3])], { title: "one id" }),
  ],
  foldIn: [
    direct("foldIn", {}, [u32([2], anyU32), u32([], anyU32)]),
    direct("foldIn", {}, [u32([2], given(0)), u32([], given(0))], { title: "zeros" }),
    direct("foldIn", {}, [u32([2], given(0xffffffff)), u32([], given(0xffffffff))], { title: "all bits" }),
  ],
  dropoutMask: [
    [[5], 0.1],
    [[2, 3, 4], 0.5],
    [[], 0.3],
    [[33], 0],
  ].map(([shape, rate]) =>
    direct("dropoutMask", { shape: shape as number[], rate: rate as number }, [u32([2], anyU32)], {
      title: `[${shape}] at ${rate}`,
    }),
  ),
  lstmCell: [
    direct("lstmCell", {}, [float([2, 12]), float([2, 3])]),
    direct("lstmCell", {}, [float([1, 4]), float([1, 1])]),
  ],
  lstmCellGrad: [
    [2, 3],
    [1, 1],
    [3, 5],
  ].map(([batch, size]) => {
    const state = [batch!, size!];
    return after(`[${state}]`, [float([batch!, 4 * size!]), float(state), float(state), float(state)], (inputs) => {
      const [gates, cell, dHidden, dNext] = inputs as [Tensor, Tensor, Tensor, Tensor];
      const [, next] = emit("lstmCell", [gates, cell], {});
      return emit("lstmCellGrad", [gates, cell, next!, dHidden, dNext], {});
    });
  }),
  gruCell: [
    direct("gruCell", {}, [float([2, 9]), float([2, 9]), float([2, 3])]),
    direct("gruCell", {}, [float([1, 3]), float([1, 3]), float([1, 1])]),
  ],
  gruCellGrad: [
    direct("gruCellGrad", {}, [float([2, 9]), float([2, 9]), float([2, 3]), float([2, 3])]),
    direct("gruCellGrad", {}, [float([1, 3]), float([1, 3]), float([1, 1]), float([1, 1])]),
  ],
} satisfies { readonly [P in Exclude<CompositeName, "call">]: readonly Sample[] } & {
  readonly [P in OpName]?: unknown;
};
