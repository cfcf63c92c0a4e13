import { ConfigError } from "../../base/errors.ts";
import { type Module, namedParameters } from "../../nn/module.ts";
import { requirePlain, type VocabularyModel } from "./model.ts";
import { growingAxes } from "./resize.ts";

/**
 * What the places of longer sequences are: `interpolate`, points on the lines between neighbouring old places, the first and
 * the last as they were; or `repeat`, the old places over again, all of them as they were.
 */
export const positionMethods = ["interpolate", "repeat"] as const;
export type PositionMethod = (typeof positionMethods)[number];

export interface ExtendPositionsOptions {
  /** Longest sequence, in tokens. */
  readonly maxPositionEmbeddings: number;
  /** `interpolate` by default. */
  readonly method?: PositionMethod | undefined;
}

/** The row of a new place: of the old rows `low` and `low + 1`, the latter by `share`. */
function placeOf(place: number, before: number, after: number, method: PositionMethod) {
  if (method === "repeat") return { low: place % before, share: 0 };
  // With one old place there is no line: all are that one.
  const at = after === 1 ? 0 : (place * (before - 1)) / (after - 1);
  const low = Math.min(Math.floor(at), Math.max(0, before - 2));
  return { low, share: before === 1 ? 0 : at - low };
}

function extended(
  table: Float32Array,
  { width, before, after, method }: { width: number; before: number; after: number; method: PositionMethod },
): Float32Array {
  // Rows before that of place 0 (RoBERTa, BART) stay.
  const offset = table.length - before * width;
  const result = new Float32Array(offset + after * width);
  result.set(table.subarray(0, offset));
  for (let place = 0; place < after; place++) {
    const { low, share } = placeOf(place, before, after, method);
    const from = offset + low * width;
    const to = offset + place * width;
    for (let i = 0; i < width; i++) {
      const value = table[from + i]!;
      result[to + i] = share === 0 ? value : value + share * (table[from + width + i]! - value);
    }
  }
  return result;
}

/**
 * Makes a model take longer sequences: its tables of places get more rows; all other weights stay.
 * @throws {ConfigError} CONFIG_RANGE unless there are to be more places than there are; CONFIG_UNKNOWN_VALUE
 * @throws {CheckpointError} ADAPTER_UNSUPPORTED
 * @source repetition: Beltagy et al. 2020 §5, arXiv:2004.05150; interpolation: Chen et al. 2023, arXiv:2306.15595, here of
 * learnt tables
 */
export function extendPositions<M extends Module>(
  model: VocabularyModel<M>,
  options: ExtendPositionsOptions,
): VocabularyModel<M> {
  requirePlain(model);
  const { maxPositionEmbeddings: after, method = "interpolate" } = options;
  const { family, config, module, weights } = model;
  const { maxPositionEmbeddings: before } = family.facts(config);
  const issues = [];
  if (!(Number.isInteger(after) && after > before)) {
    const message = `must be a whole number above the model's ${before}; got ${after}.`;
    issues.push({ path: "maxPositionEmbeddings", message, code: "CONFIG_RANGE" });
  }
  if (!positionMethods.includes(method)) {
    const message = `must be one of ${positionMethods.join(", ")}; got ${JSON.stringify(method)}.`;
    issues.push({ path: "method", message, code: "CONFIG_UNKNOWN_VALUE" });
  }
  if (issues.length > 0) throw new ConfigError("extendPositions", issues);
  const settings = config as Readonly<Record<string, unknown>>;
  const rows = (settings.maxPositionEmbeddings as number) + after - before;
  const longer = family.configure({ ...settings, maxPositionEmbeddings: rows });
  const changed = family.rebuild(module, longer);
  const growing = growingAxes(model, "maxPositionEmbeddings");
  const moved = [...namedParameters(changed)].map(([name, { shape }]) => {
    const old = weights.get(name)!;
    const width = shape[1]!;
    return [name, growing.has(name) ? extended(old, { width, before, after, method }) : old] as const;
  });
  return { ...model, config: longer, module: changed, weights: new Map(moved) };
}
