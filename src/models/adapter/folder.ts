/** @file Reading an adapter's folder: what it says of itself, and where its model is. */
import { stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { CheckpointError } from "../../base/errors.ts";
import { readJsonObject } from "../../formats/json-file.ts";
import { isJsonObject, type JsonObject } from "../../formats/json-text.ts";
import type { Activation } from "../../nn/layers.ts";
import type { NetworkPurpose } from "../family.ts";
import { adapterConfigName, adapterWeightsName, bottleneckType, taskTypes } from "./file.ts";
import { type ResolvedBottleneck, type ResolvedLora, resolveAdapter } from "./option.ts";

/** LoRA as a file has it: ranks are those of its tensors. */
export interface LoraFile {
  readonly options: ResolvedLora;
  /** Factor of a module's change of some rank. */
  readonly scalingOf: (module: string, rank: number) => number;
}

/** The folder of an adapter. */
export interface AdapterFolder {
  readonly path: string;
  /** The folder of the model that it belongs to. */
  readonly base: string;
  /** What it is for, where it says so. */
  readonly purpose: NetworkPurpose | undefined;
  readonly adapter: LoraFile | { readonly options: ResolvedBottleneck };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** Whether a folder holds an adapter. */
export async function isAdapterFolder(folder: string): Promise<boolean> {
  return (await exists(join(folder, adapterConfigName))) && (await exists(join(folder, adapterWeightsName)));
}

function refuse(path: string, rule: string, code = "ADAPTER_CONFIG"): never {
  throw new CheckpointError(rule, { code, path });
}

/** Settings of peft's that change what is computed, and the values with which it is what Firth computes. */
const plainValues: Readonly<Record<string, readonly unknown[]>> = {
  use_dora: [false, null, undefined],
  bias: ["none", null, undefined],
  lora_bias: [false, null, undefined],
  layer_replication: [null, undefined],
  trainable_token_indices: [null, undefined],
  target_parameters: [null, undefined],
  alora_invocation_tokens: [null, undefined],
  arrow_config: [null, undefined],
  kasa_config: [null, undefined],
  use_bdlora: [false, null, undefined],
  use_qalora: [false, null, undefined],
};

function positive(config: JsonObject, key: string, path: string): number {
  const value = config[key];
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  return refuse(path, `${key} must be a number above 0; got ${JSON.stringify(value)}. Fetch the adapter again.`);
}

/** How peft matches a module's name: a pattern of the whole of it, or of its end behind a point. */
function matcherOf(pattern: string): RegExp | undefined {
  try {
    return new RegExp(`(^|\\.)(?:${pattern})$`);
  } catch {
    return undefined;
  }
}

function readLora(config: JsonObject, path: string): LoraFile {
  for (const [key, values] of Object.entries(plainValues)) {
    if (values.includes(config[key])) continue;
    const message = `${key} is ${JSON.stringify(config[key])}: such an adapter is not computed here. Merge it with peft (merge_and_unload).`;
    refuse(path, message, "ADAPTER_UNSUPPORTED");
  }
  const [rank, alpha] = [positive(config, "r", path), positive(config, "lora_alpha", path)];
  const { alpha_pattern: given, use_rslora: rooted, lora_dropout: dropout } = config;
  const patterns = Object.entries(isJsonObject(given) ? given : {}).map(([pattern, strength]) => {
    const matcher = matcherOf(pattern);
    if (matcher !== undefined && typeof strength === "number" && Number.isFinite(strength))
      return { matcher, strength };
    const got = JSON.stringify({ [pattern]: strength });
    return refuse(
      path,
      `alpha_pattern must give patterns of modules a number each; got ${got}. Fetch the adapter again.`,
    );
  });
  const scalingOf = (module: string, own: number): number => {
    const strength = patterns.find(({ matcher }) => matcher.test(module))?.strength ?? alpha;
    return strength / (rooted === true ? Math.sqrt(own) : own);
  };
  const options = resolveAdapter({ kind: "lora", rank, alpha, dropout: typeof dropout === "number" ? dropout : 0 });
  return { options: options as ResolvedLora, scalingOf };
}

function readBottleneck(
  { kind, size, activation }: JsonObject,
  path: string,
): { readonly options: ResolvedBottleneck } {
  if (kind !== "houlsby" && kind !== "pfeiffer") {
    return refuse(path, `kind must be houlsby or pfeiffer; got ${JSON.stringify(kind)}. Write the adapter again.`);
  }
  const options = resolveAdapter({ kind, size: size as number, activation: activation as Activation });
  return { options: options as ResolvedBottleneck };
}

const readers = new Map<string, (config: JsonObject, path: string) => AdapterFolder["adapter"]>([
  ["LORA", readLora],
  [bottleneckType, readBottleneck],
]);

/** Where the model is: at the path that the adapter says, seen from the adapter or from the working directory. */
async function findBase(folder: string, named: unknown, path: string): Promise<string> {
  const isPlace = async (place: string): Promise<boolean> => exists(join(place, "config.json"));
  if (typeof named === "string" && named !== "") {
    const places = isAbsolute(named) ? [named] : [join(folder, named), named];
    for (const place of places) if (await isPlace(place)) return place;
  }
  const said =
    typeof named === "string" && named !== ""
      ? `the adapter's model ${JSON.stringify(named)} is not a model directory here`
      : "the adapter does not say which model it belongs to";
  return refuse(
    path,
    `${said}. Fetch the model (firth import), and put its folder into base_model_name_or_path, or merge with --base.`,
    "ADAPTER_BASE_MISSING",
  );
}

/**
 * What a folder's adapter says of itself; undefined for a folder without.
 * @param base the model's folder, if it is another than the adapter says
 * @throws {CheckpointError} ADAPTER_CONFIG, ADAPTER_UNSUPPORTED, ADAPTER_BASE_MISSING, ADAPTER_OF_ADAPTER
 */
export async function openAdapterFolder(folder: string, base?: string): Promise<AdapterFolder | undefined> {
  if (!(await isAdapterFolder(folder))) return undefined;
  const path = join(folder, adapterConfigName);
  const config = await readJsonObject(path);
  const { peft_type: type, task_type: task, base_model_name_or_path: named } = config;
  const read = readers.get(String(type));
  if (read === undefined) {
    const message = `peft_type must be LORA or ${bottleneckType}; got ${JSON.stringify(type)}. Merge it with the program it comes from.`;
    return refuse(path, message, "ADAPTER_UNSUPPORTED");
  }
  const purposes = Object.entries(taskTypes) as [NetworkPurpose, string][];
  const adapter = read(config, path);
  const found = await findBase(folder, base ?? named, path);
  if (await isAdapterFolder(found)) {
    const message = `its model ${found} is an adapter itself. Merge that one first (firth adapter merge).`;
    refuse(path, message, "ADAPTER_OF_ADAPTER");
  }
  return { path: folder, base: found, purpose: purposes.find(([, name]) => name === task)?.[0], adapter };
}

/** Which config.json describes a directory. */
export interface ModelConfigFile {
  readonly json: JsonObject;
  readonly path: string;
  /** Where it is that of the model an adapter belongs to, because the adapter has none. */
  readonly adapter: AdapterFolder | undefined;
}

/** The config.json of a model directory or of an adapter; that of the adapter's model where it has none. */
export async function readModelConfig(folder: string, base?: string): Promise<ModelConfigFile> {
  const own = join(folder, "config.json");
  const adapter = (await exists(own)) ? undefined : await openAdapterFolder(folder, base);
  const path = adapter === undefined ? own : join(adapter.base, "config.json");
  return { json: await readJsonObject(path), path, adapter };
}
