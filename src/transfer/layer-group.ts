/** @file The layer groups of a network, taken from its structure: what is trained or stands still together. */
import { FirthError } from "../base/errors.ts";
import { Module, namedParameters, type Parameter } from "../nn/module.ts";

export type GroupKind = "embeddings" | "layer" | "pooler" | "head";

/** Which of an encoder–decoder's stacks a layer is in; `encoder` where there is one stack. */
export type StackName = "encoder" | "decoder";

/** Parameters that a strategy treats alike. */
export interface LayerGroup {
  /** `embeddings`, `layer 3`, `layers 0–11` where they share their weights, `decoder layer 0`, `pooler`, `head`. */
  readonly name: string;
  readonly kind: GroupKind;
  readonly stack: StackName;
  /** Numbers of its layers in their stack. */
  readonly layers: readonly number[];
  /** How many groups stand between it and the top: 0 for head and pooler, or where there is neither for the top layer. */
  readonly depth: number;
  /** Names of its parameters; those that never move (`isFixed`) are in no group. */
  readonly parameters: readonly string[];
}

/** Embeddings and layers over them. */
interface Stack extends Module {
  readonly embeddings: Module;
  readonly layers: readonly Module[];
  readonly pooler?: Module | undefined;
}

function isStack(item: unknown): item is Stack {
  return item instanceof Module && "embeddings" in item && "layers" in item && Array.isArray(item.layers);
}

interface Stacks {
  readonly encoder: Stack;
  readonly decoder: Stack | undefined;
}

/** The stacks of a model: its encoder, or that and its decoder, or both in one network. */
function stacksOf(model: unknown): Stacks | undefined {
  const { encoder, decoder } = model as { readonly encoder?: unknown; readonly decoder?: unknown };
  if (isStack(encoder)) return { encoder, decoder: isStack(decoder) ? decoder : undefined };
  return encoder instanceof Module ? stacksOf(encoder) : undefined;
}

/** `layer 3`, `layers 0–11`, `decoder layer 3`. */
function layerName(layers: readonly number[], stack: StackName | undefined): string {
  const [first, last] = [layers[0]!, layers.at(-1)!];
  const numbers = layers.length === 1 ? `layer ${first}` : `layers ${first}–${last}`;
  return stack === undefined ? numbers : `${stack} ${numbers}`;
}

type Draft = Omit<LayerGroup, "depth">;

/** A stack's layers from the lowest on; what several share belongs to the lowest of them. */
function layerDrafts(stack: Stack, name: StackName, isOneOfTwo: boolean, take: (part: unknown) => string[]): Draft[] {
  const owners = new Map<Parameter, number>();
  const members: { parameters: string[]; layers: number[] }[] = [];
  for (const [number, layer] of stack.layers.entries()) {
    const parameters = take(layer);
    if (parameters.length === 0) {
      // All of its weights are another layer's.
      const [first] = namedParameters(layer).values();
      members[owners.get(first!)!]!.layers.push(number);
      continue;
    }
    for (const parameter of namedParameters(layer).values()) {
      if (!owners.has(parameter)) owners.set(parameter, members.length);
    }
    members.push({ parameters, layers: [number] });
  }
  // A normalisation after the last layer goes with it, but the pooler does not.
  const { pooler } = stack;
  const pooled = new Set(pooler === undefined ? [] : namedParameters(pooler).values());
  const rest = take([...namedParameters(stack).values()].filter((parameter) => !pooled.has(parameter)));
  members.at(-1)?.parameters.push(...rest);
  return members.map(({ parameters, layers }) => ({
    name: layerName(layers, isOneOfTwo ? name : undefined),
    kind: "layer",
    stack: name,
    layers,
    parameters,
  }));
}

/**
 * The layer groups of a network, from the embeddings at the bottom to the head at the top; groups without parameters are
 * left out.
 *
 * Both stacks of an encoder–decoder have one group of embeddings, and the decoder's layers stand above the encoder's.
 * Weights that several layers share (ALBERT) belong to the lowest of them; layers that share all are one group.
 * @param model a network with an encoder
 * @param whole what the run trains, where that is the network with something beside it, which counts as head
 * @throws {FirthError} LAYERS_UNKNOWN for a network that does not say which layers it has
 */
export function layerGroups(model: Module, whole: Module = model): LayerGroup[] {
  const stacks = stacksOf(model);
  if (stacks === undefined) {
    throw new FirthError(
      "the network does not say which layers it has: it needs an encoder with embeddings and layers. Train it whole, or by `treatment`.",
      { code: "LAYERS_UNKNOWN", path: "transfer" },
    );
  }
  const { encoder, decoder } = stacks;
  const names = new Map([...namedParameters(whole)].map(([name, parameter]) => [parameter, name]));
  const taken = new Set<Parameter>();
  /** Names of the parameters below something that nobody has taken yet. */
  const take = (part: unknown): string[] => {
    const own = part instanceof Module ? [...namedParameters(part).values()] : (part as readonly Parameter[]);
    return own.flatMap((parameter) => {
      const name = names.get(parameter);
      if (name === undefined || taken.has(parameter)) return [];
      taken.add(parameter);
      return parameter.isFixed ? [] : [name];
    });
  };
  const isTwo = decoder !== undefined;
  const group = (name: Exclude<GroupKind, "layer">, parameters: string[]): Draft => ({
    name,
    kind: name,
    stack: "encoder",
    layers: [],
    parameters,
  });
  const both = isTwo ? [encoder, decoder] : [encoder];
  const embeddings = group(
    "embeddings",
    both.flatMap((stack) => take(stack.embeddings)),
  );
  const layers = [
    ...layerDrafts(encoder, "encoder", isTwo, take),
    ...(isTwo ? layerDrafts(decoder, "decoder", isTwo, take) : []),
  ];
  const pooler = group(
    "pooler",
    both.flatMap((stack) => (stack.pooler === undefined ? [] : take(stack.pooler))),
  );
  const head = group("head", take([...names.keys()]));
  const drafts = [embeddings, ...layers, pooler, head].filter(({ parameters }) => parameters.length > 0);
  const below = drafts.filter(({ kind }) => kind === "embeddings" || kind === "layer");
  const lowest = drafts.length > below.length ? 1 : 0;
  return drafts.map((draft) => {
    const index = below.indexOf(draft);
    return { ...draft, depth: index === -1 ? 0 : below.length - 1 - index + lowest };
  });
}

/** The groups of which a task trains anything; the highest of them is the top that depths count from. */
export function usedGroups(
  groups: readonly LayerGroup[],
  isUnused: ((name: string) => boolean) | undefined,
): readonly LayerGroup[] {
  if (isUnused === undefined) return groups;
  const kept = groups.filter(({ parameters }) => parameters.some((name) => !isUnused(name)));
  const top = Math.min(...kept.map(({ depth }) => depth));
  return kept.map((group) => ({ ...group, depth: group.depth - top }));
}
