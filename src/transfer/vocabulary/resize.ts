/** @file A model with other rows in the tables of its words: word embeddings, output biases, whatever has a row a token. */
import { internalError } from "../../base/errors.ts";
import { type Module, namedParameters } from "../../nn/module.ts";
import { initialWeights, type Weights } from "../../nn/weights.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import type { VocabularyModel } from "./model.ts";

/** For every new id the old ids whose mean its rows are: one for a token that is kept; none for rows that are drawn. */
export type RowSources = readonly (readonly number[])[];

type Settings = Readonly<Record<string, unknown>>;

/** Which axis of a parameter grows with a setting: that of the entries one a token, or one a place. */
export function growingAxes(
  model: VocabularyModel,
  setting: "vocabSize" | "maxPositionEmbeddings",
): Map<string, number> {
  const { family, config, module } = model;
  const larger = { ...(config as Settings), [setting]: ((config as Settings)[setting] as number) + 1 };
  const grown = namedParameters(family.rebuild(module, family.configure(larger)));
  const axes = new Map<string, number>();
  for (const [name, { shape }] of namedParameters(module)) {
    const axis = grown.get(name)!.shape.findIndex((size, i) => size !== shape[i]);
    if (axis >= 0) axes.set(name, axis);
  }
  return axes;
}

/** Sizes around an axis: how many blocks there are before it, and how many numbers an entry of it has. */
function around(shape: readonly number[], axis: number): { readonly blocks: number; readonly width: number } {
  const product = (sizes: readonly number[]): number => sizes.reduce((all, size) => all * size, 1);
  return { blocks: product(shape.slice(0, axis)), width: product(shape.slice(axis + 1)) };
}

/**
 * The entries of an axis from those of another.
 * @param sources for every new entry the old ones whose mean it is; none keeps what `target` has
 */
export function moveEntries(
  target: Float32Array,
  source: Float32Array,
  { shape, axis, sources }: { readonly shape: readonly number[]; readonly axis: number; readonly sources: RowSources },
): void {
  const { blocks, width } = around(shape, axis);
  const [before, after] = [source.length / (blocks * width), sources.length];
  const sum = new Float64Array(width);
  for (let block = 0; block < blocks; block++) {
    for (const [entry, own] of sources.entries()) {
      const to = (block * after + entry) * width;
      if (own.length === 0) continue;
      if (own.length === 1) {
        const from = (block * before + own[0]!) * width;
        target.set(source.subarray(from, from + width), to);
        continue;
      }
      sum.fill(0);
      for (const id of own) {
        const from = (block * before + id) * width;
        for (let i = 0; i < width; i++) sum[i]! += source[from + i]!;
      }
      for (let i = 0; i < width; i++) target[to + i] = sum[i]! / own.length;
    }
  }
}

/** The settings of a model with another number of words, or with another tokenizer's special tokens. */
function resized(model: VocabularyModel, vocabSize: number, tokenizer: Tokenizer | undefined): unknown {
  const { family, config } = model;
  const old = config as Settings;
  if (tokenizer === undefined) return family.configure({ ...old, vocabSize });
  const kept = Object.fromEntries(
    Object.entries(old).filter(([key]) => key !== "vocabSize" && !key.endsWith("TokenId")),
  );
  const facts = { vocabSize, special: tokenizer.special };
  const changed = family.configure(kept, facts) as Settings;
  // RoBERTa counts places from behind the padding token: there must be as many as before.
  const places = (settings: unknown): number => family.facts(settings).maxPositionEmbeddings;
  const lost = places(config) - places(changed);
  if (lost === 0) return changed;
  return family.configure({ ...kept, maxPositionEmbeddings: (old.maxPositionEmbeddings as number) + lost }, facts);
}

/** Position tables whose rows begin elsewhere: those of the places move along, the rows before them are drawn. */
export function moveRows(target: Float32Array, source: Float32Array, width: number, places: number): void {
  const from = source.length - places * width;
  const to = target.length - places * width;
  target.set(source.subarray(from), to);
}

/**
 * The same network with other rows for its words; all other weights stay, ties too.
 * @param sources where each row comes from
 * @param options `tokenizer` the new one, where special tokens may have other ids; `seed` of rows that are drawn
 */
export function resizeVocabulary<M extends Module>(
  model: VocabularyModel<M>,
  sources: RowSources,
  options: { readonly tokenizer?: Tokenizer | undefined; readonly seed: number },
): VocabularyModel<M> {
  const { family, module, weights } = model;
  const axes = growingAxes(model, "vocabSize");
  if (axes.size === 0) throw internalError(`no weights of ${family.name} grow with its vocabulary`);
  const config = resized(model, sources.length, options.tokenizer);
  const changed = family.rebuild(module, config);
  const [before, after] = [namedParameters(module), namedParameters(changed)];
  const places = family.facts(config).maxPositionEmbeddings;
  const isMoved = (name: string) => axes.has(name) || before.get(name)!.shape.join() !== after.get(name)!.shape.join();
  const fresh = initialWeights(changed, options.seed, isMoved);
  const moved: [string, Float32Array][] = [...after].map(([name, { shape }]) => {
    const old = weights.get(name)!;
    const axis = axes.get(name);
    const target = fresh.get(name);
    if (target === undefined) return [name, old];
    if (axis === undefined) moveRows(target, old, shape[1]!, places);
    else moveEntries(target, old, { shape, axis, sources });
    return [name, target];
  });
  return { ...model, config, module: changed, weights: new Map(moved) as Weights };
}
