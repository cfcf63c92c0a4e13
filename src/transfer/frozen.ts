/** @file Which parameters stand still throughout. */
import { type ConfigIssue, nearestName } from "../base/errors.ts";
import type { LayerGroup, StackName } from "./layer-group.ts";
import type { Freeze } from "./strategy.ts";

/** What a choice of layers says: all of them, one, or a range; of one stack or of both. */
interface LayerChoice {
  readonly stack: StackName | undefined;
  readonly first: number;
  readonly last: number;
}

const layerPattern = /^(?:(?:(encoder|decoder)\.)?layers(?:\.(\d+)(?:-(\d+))?)?|(\d+)(?:-(\d+))?)$/;

function layerChoice(item: string | number): LayerChoice | undefined {
  const found = layerPattern.exec(String(item));
  if (found === null) return undefined;
  const [, stack, from, to, bareFrom, bareTo] = found;
  const first = from ?? bareFrom;
  return {
    stack: stack as StackName | undefined,
    first: first === undefined ? 0 : Number(first),
    last: first === undefined ? Number.POSITIVE_INFINITY : Number(to ?? bareTo ?? first),
  };
}

/** `*` stands for anything; without one a name means what has it and what is below it. */
function namePattern(text: string): RegExp {
  const escaped = text.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}${text.includes("*") ? "" : "(\\..*)?"}$`);
}

const words = ["embeddings", "layers", "encoder", "decoder", "pooler", "head"];

/** A group's part in a selection, or why it cannot be selected so. */
type Selected = { readonly names: readonly string[] } | { readonly rule: string; readonly code: string };

function selectLayers(choice: LayerChoice, groups: readonly LayerGroup[]): Selected {
  const { stack, first, last } = choice;
  const layers = groups.filter((group) => group.kind === "layer" && (stack === undefined || group.stack === stack));
  const top = Math.max(-1, ...layers.flatMap((group) => group.layers));
  const isRange = Number.isFinite(last);
  if (layers.length === 0) {
    return { rule: `names layers of the ${stack}, which the model has not.`, code: "MODEL_LACKS_PART" };
  }
  if (isRange && (last > top || first > last)) {
    const rule = `must name layers from 0 to ${top}, in rising order; got ${first === last ? first : `${first}-${last}`}.`;
    return { rule, code: "CONFIG_RANGE" };
  }
  const isIn = (layer: number): boolean => layer >= first && layer <= last;
  const torn = layers.find((group) => group.layers.some(isIn) && !group.layers.every(isIn));
  if (torn !== undefined) {
    return { rule: `must name all of ${torn.name} or none: they share their weights.`, code: "LAYERS_SHARED" };
  }
  return { names: layers.filter((group) => group.layers.every(isIn)).flatMap(({ parameters }) => parameters) };
}

/** All below the head; in a model that writes and has none, all but the decoder's layers. */
function encoderNames(groups: readonly LayerGroup[]): string[] {
  const hasHead = groups.some(({ kind }) => kind === "head" || kind === "pooler");
  return groups
    .filter(({ kind, stack }) => kind === "embeddings" || (kind === "layer" && (hasHead || stack === "encoder")))
    .flatMap(({ parameters }) => parameters);
}

function select(item: string | number, groups: readonly LayerGroup[]): Selected {
  const choice = layerChoice(item);
  if (choice !== undefined) return selectLayers(choice, groups);
  if (item === "encoder") return { names: encoderNames(groups) };
  if (item === "decoder") return selectLayers(layerChoice("decoder.layers")!, groups);
  if (words.includes(String(item))) {
    const group = groups.find(({ kind }) => kind === item);
    if (group !== undefined) return { names: group.parameters };
    return { rule: `names the ${item}, which the model has not.`, code: "MODEL_LACKS_PART" };
  }
  const pattern = namePattern(String(item));
  const all = groups.flatMap(({ parameters }) => parameters);
  const names = all.filter((name) => pattern.test(name));
  if (names.length > 0) return { names };
  const near = nearestName(String(item), words);
  const hint = near === undefined ? "" : ` Did you mean ${near}?`;
  const rule = `names no parameter: it must be ${words.join(", ")}, layers such as 3 or "0-5", or a name such as "*.attention.*"; got ${JSON.stringify(item)}.${hint}`;
  return { rule, code: "CONFIG_UNKNOWN_VALUE" };
}

/**
 * Names of the parameters that stand still; problems are added to a list.
 * @param path what the choice is called in messages
 */
export function frozenParameters(
  freeze: Freeze,
  groups: readonly LayerGroup[],
  issues: ConfigIssue[],
  path = "transfer.freeze",
): ReadonlySet<string> {
  if (freeze === "none") return new Set();
  const items = freeze === "encoder" ? ["encoder"] : freeze;
  const frozen = new Set<string>();
  for (const [i, item] of items.entries()) {
    const selected = select(item, groups);
    if ("names" in selected) {
      for (const name of selected.names) frozen.add(name);
      continue;
    }
    const { rule: message, code } = selected;
    issues.push({ path: freeze === "encoder" ? path : `${path}.${i}`, message, code });
  }
  if (groups.every(({ parameters }) => parameters.every((name) => frozen.has(name)))) {
    issues.push({ path, message: "leaves nothing to be trained. Leave a part out of it.", code: "NOTHING_TRAINED" });
  }
  return frozen;
}
