/** @file The folder of an adapter: `adapter_config.json` and `adapter_model.safetensors`, for LoRA as peft has them. */
import { join } from "node:path";
import { internalError } from "../../base/errors.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { formatJson } from "../../formats/json-file.ts";
import type { JsonObject } from "../../formats/json-text.ts";
import { defaultMetadata, writeSafetensors } from "../../formats/safetensors-writer.ts";
import { LowRankUpdate } from "../../nn/adapter.ts";
import { type Module, namedParameters } from "../../nn/module.ts";
import type { Weights } from "../../nn/weights.ts";
import type { NetworkPurpose } from "../family.ts";
import { storedTensors, type WeightEntry } from "../weight-map.ts";
import { adaptableLinears } from "./attach.ts";
import { adapterEntries, headEntries, moduleOf, partModules, prefixed, savedModules, shortestNames } from "./names.ts";
import type { LoraTarget, ResolvedLora } from "./option.ts";
import type { AdapterState } from "./state.ts";

export const adapterConfigName = "adapter_config.json";
export const adapterWeightsName = "adapter_model.safetensors";

/** Where the weights file says what it belongs to: peft reads no more of its texts than `format`. */
export const fingerprintKey = "firth_base_fingerprint";

/** `peft_type` of small networks inside the layers, which peft does not know. */
export const bottleneckType = "FIRTH_BOTTLENECK";

/** What peft calls the purposes; that of pre-trained models depends on how they write. */
export const taskTypes: Readonly<Partial<Record<NetworkPurpose, string>>> = {
  classification: "SEQ_CLS",
  tokenClassification: "TOKEN_CLS",
  questionAnswering: "QUESTION_ANS",
};

/** A network with an adapter, and what it is for. */
export interface AdapterToWrite {
  readonly module: Module;
  readonly weights: Weights;
  readonly adapter: AdapterState;
  readonly purpose: NetworkPurpose;
  /** Names of the family's tensors. */
  readonly map: readonly WeightEntry[];
}

function taskType({ purpose, module }: AdapterToWrite): string | null {
  if (purpose !== "pretraining") return taskTypes[purpose] ?? null;
  if ("decoder" in module) return "SEQ_2_SEQ_LM";
  return "causalLmLogits" in module && !("maskedLmLogits" in module) ? "CAUSAL_LM" : null;
}

/** Settings of LoRA as peft writes them. */
function loraConfig(written: AdapterToWrite, { rank, alpha, dropout }: ResolvedLora): JsonObject {
  const { module, map, adapter } = written;
  const linears = adaptableLinears(module, map);
  const groups = new Map<string, string[]>();
  const transposed = new Set(map.flatMap(({ isTransposed, keys }) => (isTransposed === true ? keys : [])));
  let isTransposed = false;
  for (const linear of linears) {
    const update = linear.linear.adapter;
    if (!(update instanceof LowRankUpdate)) continue;
    const modules = partModules(linear, map);
    for (const { settings } of update.pairs) {
      const own = modules[linear.targets.indexOf(settings.target as LoraTarget)]!;
      const group = groups.get(settings.target) ?? [];
      groups.set(settings.target, [...group, ...own]);
      isTransposed ||= own.some((name) => transposed.has(`${name}.weight`));
    }
  }
  const keys = (entries: readonly WeightEntry[]): string[] => entries.flatMap((entry) => entry.keys);
  const parameters = namedParameters(module);
  const head = keys(headEntries(module, map));
  const kept = new Set(head);
  const all = keys(map.filter(({ parameter }) => parameters.has(parameter)));
  const saved = savedModules(
    head,
    all.filter((key) => !kept.has(key)),
  );
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: adapter.base.folder ?? null,
    bias: "none",
    fan_in_fan_out: isTransposed,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: alpha,
    lora_dropout: dropout,
    modules_to_save: saved.length === 0 ? null : saved,
    peft_type: "LORA",
    r: rank,
    rank_pattern: {},
    revision: null,
    target_modules: shortestNames([...groups.values()], [...new Set(all.map(moduleOf))]),
    task_type: taskType(written),
    use_dora: false,
    use_rslora: false,
  };
}

/** Writes an adapter's two files into an existing folder. @throws {CheckpointError} DISK_FULL, NOT_WRITABLE */
export async function writeAdapter(folder: string, written: AdapterToWrite): Promise<void> {
  const { module, weights, map, adapter } = written;
  const { options, base } = adapter;
  const config: JsonObject =
    options.kind === "lora"
      ? loraConfig(written, options)
      : {
          peft_type: bottleneckType,
          base_model_name_or_path: base.folder ?? null,
          task_type: taskType(written),
          ...options,
        };
  const entries = [...adapterEntries(module, map), ...prefixed(headEntries(module, map))];
  if (entries.length === 0) throw internalError("a model with an adapter has none");
  await writeFileAtomic(join(folder, adapterConfigName), formatJson(config));
  await writeSafetensors(join(folder, adapterWeightsName), storedTensors(module, weights, entries), {
    ...defaultMetadata,
    [fingerprintKey]: base.fingerprint,
  });
}
