/** @file Adapters as settings. */
import { ConfigError, nearestName } from "../../base/errors.ts";
import {
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  numberField,
  probabilityField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import type { Activation } from "../../nn/layers.ts";

/**
 * What LoRA may change: projections of attention (to a source too), and of the feed-forward part. `qkv` is query, key and
 * value in one matrix, as the files of GPT and GPT-2 have them.
 */
export const loraTargets = ["query", "key", "value", "qkv", "attentionOutput", "intermediate", "output"] as const;

export type LoraTarget = (typeof loraTargets)[number];

/**
 * Low-rank changes of weights that stay: W + (alpha / rank) · B·A.
 * @source Hu et al. 2021 §4.1, arXiv:2106.09685
 */
export interface LoraOptions {
  readonly kind: "lora";
  /** Width of the changes; 8 by default. */
  readonly rank?: number | undefined;
  /** Changes count alpha / rank times; 16 by default. */
  readonly alpha?: number | undefined;
  /** Of what goes into the changes, in training; 0 by default. */
  readonly dropout?: number | undefined;
  /** Query and value (of GPT and GPT-2 `qkv`) by default. */
  readonly targets?: readonly LoraTarget[] | null | undefined;
}

/**
 * Small networks inside the layers, whose own weights stay: behind attention and the feed-forward part (`houlsby`), or behind
 * the latter only (`pfeiffer`); before the residual.
 * @source Houlsby et al. 2019 §2.1, arXiv:1902.00751; Pfeiffer et al. 2020 §3.2, arXiv:2005.00247. Differs: LayerNorm
 * stays too, and there is none more
 */
export interface BottleneckAdapterOptions {
  readonly kind: "houlsby" | "pfeiffer";
  /** Width inside; 64 by default. */
  readonly size?: number | undefined;
  /** `gelu` by default. */
  readonly activation?: Activation | undefined;
}

export type AdapterOptions = LoraOptions | BottleneckAdapterOptions;

const kinds = ["lora", "houlsby", "pfeiffer"] as const;

export const loraTable = defineConfig({
  name: "adapter",
  fields: defineFields({
    kind: choiceField(["lora"], { default: "lora", doc: "Low-rank changes." }),
    rank: integerField({ default: 8, min: 1, doc: "Width of the changes." }),
    alpha: numberField({ default: 16, min: 0, doc: "Changes count alpha / rank times." }),
    dropout: probabilityField({ default: 0, doc: "Of what goes into the changes." }),
    targets: nullableField(
      listField(choiceField(loraTargets, { doc: "" }), { doc: "What is changed; null: query and value." }),
    ),
  }),
  rules: ({ alpha, dropout, targets }) => [
    ...(alpha > 0 ? [] : [{ path: "alpha", message: "must be above 0; got 0.", code: "CONFIG_RANGE" }]),
    ...(dropout < 1 ? [] : [{ path: "dropout", message: "must be below 1; got 1.", code: "CONFIG_RANGE" }]),
    ...(targets === null || new Set(targets).size === targets.length
      ? []
      : [{ path: "targets", message: `must differ; got ${targets.join(", ")}.`, code: "CONFIG_AMBIGUOUS" }]),
    ...(targets?.length === 0
      ? [{ path: "targets", message: "must be one at least; got none.", code: "CONFIG_RANGE" }]
      : []),
  ],
});

export const bottleneckTable = defineConfig({
  name: "adapter",
  fields: defineFields({
    kind: choiceField(["houlsby", "pfeiffer"], { default: "houlsby", doc: "Where the networks are." }),
    size: integerField({ default: 64, min: 1, doc: "Width inside." }),
    activation: choiceField(["gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "tanh"], {
      default: "gelu",
      doc: "Inside.",
    }),
  }),
});

export type ResolvedLora = ConfigOf<typeof loraTable.fields>;
export type ResolvedBottleneck = ConfigOf<typeof bottleneckTable.fields>;
/** An adapter's settings, each with its value. */
export type ResolvedAdapter = ResolvedLora | ResolvedBottleneck;

/**
 * Fills in what is not given.
 * @throws {ConfigError} all problems together; CONFIG_UNKNOWN_VALUE for an unknown kind
 */
export function resolveAdapter(options: AdapterOptions): ResolvedAdapter {
  const { kind } = options as { readonly kind?: unknown };
  if (!kinds.some((known) => known === kind)) {
    const near = typeof kind === "string" ? nearestName(kind, kinds) : undefined;
    const hint = near === undefined ? "" : ` Did you mean ${near}?`;
    const message = `must be one of ${kinds.join(", ")}; got ${JSON.stringify(kind)}.${hint}`;
    throw new ConfigError("adapter", [{ path: "kind", message, code: "CONFIG_UNKNOWN_VALUE" }]);
  }
  return options.kind === "lora" ? loraTable.resolve(options) : bottleneckTable.resolve(options);
}
