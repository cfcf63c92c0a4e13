/** @file Views: what of an unlabelled text a prediction sees that is to match the whole network's. */
import { type ConfigIssue, nearestName } from "../../base/errors.ts";
import type { Encoder, EncoderInputs } from "../../models/model.ts";
import { neg } from "../../tensor/elementwise.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/**
 * Of words: `forward` sees the text up to the word, `backward` from the word on, `future` what comes before it, `past` what
 * comes behind it. Of texts: `firstHalf` and `secondHalf`. Of both: `masked`, the text with some words hidden.
 * @source Clark, Luong, Manning & Le 2018 §3.1, arXiv:1809.08370, whose views are those of the directions of a biLSTM. Here
 * they are attention masks: each view is a pass of the network of its own. `masked` and the halves are ours, for texts.
 */
export const viewNames = ["forward", "backward", "future", "past", "firstHalf", "secondHalf", "masked"] as const;
export type ViewName = (typeof viewNames)[number];

/** What a task says something of: the words of a text, or the text. */
export type ViewedKind = "words" | "texts";

/** What a view's pass over a text sees; views that see the same share a pass. */
export type Sight = "left" | "right" | "firstHalf" | "secondHalf" | "masked";

export interface View {
  readonly kinds: readonly ViewedKind[];
  readonly sight: Sight;
  /** The list of places that are read there, of words. */
  readonly places: "wordPlaces" | "placesBefore" | "placesBehind";
}

const view = (kinds: readonly ViewedKind[], sight: Sight, places: View["places"] = "wordPlaces"): View => {
  return { kinds, sight, places };
};

/** The views by their names. */
export const views: Readonly<Record<ViewName, View>> = {
  forward: view(["words"], "left"),
  backward: view(["words"], "right"),
  future: view(["words"], "left", "placesBefore"),
  past: view(["words"], "right", "placesBehind"),
  firstHalf: view(["texts"], "firstHalf"),
  secondHalf: view(["texts"], "secondHalf"),
  masked: view(["words", "texts"], "masked"),
};

/** What decides which views a network can have. */
export type SeeingNetwork = Pick<Encoder, "isCausal" | "pooledToken" | "oneSided">;

/** Whether attention masks can be put upon a network: not where tokens look left only already, nor where a decoder reads, nor where there is no attention. */
function takesMasks({ isCausal, pooledToken, oneSided }: SeeingNetwork): boolean {
  return !isCausal && pooledToken === "first" && oneSided === undefined;
}

/** Whether a network can have a view: of one side by a mask, or by its directions. */
function has(network: SeeingNetwork, { sight }: View): boolean {
  const isSide = sight === "left" || sight === "right";
  return sight === "masked" || takesMasks(network) || (isSide && network.oneSided !== undefined);
}

/** The views that are used where none are named. */
export function usualViews(network: SeeingNetwork, kinds: ReadonlySet<ViewedKind>): readonly ViewName[] {
  const wanted: readonly ViewName[] = [
    ...(kinds.has("words") ? (["forward", "backward", "future", "past"] as const) : []),
    ...(kinds.has("texts") ? (["firstHalf", "secondHalf", "masked"] as const) : []),
  ];
  const found = wanted.filter((name) => has(network, views[name]));
  return found.length === 0 ? ["masked"] : found;
}

/** Of a network that takes no masks. */
function whyNot({ isCausal, oneSided }: SeeingNetwork): string {
  if (isCausal) return "whose tokens look left only";
  return oneSided === undefined ? "whose decoder reads the whole text" : "without attention";
}

/** Views that do not exist, that no task has, or that a network cannot have. */
export function viewIssues(
  names: readonly string[],
  network: SeeingNetwork,
  kinds: ReadonlySet<ViewedKind>,
): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const add = (message: string, code: string): void => {
    issues.push({ path: "crossView.views", message, code });
  };
  if (names.length === 0) add("must name a view at least, or be left out.", "CONFIG_MISSING");
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) add(`must differ; got ${twice} twice.`, "CONFIG_AMBIGUOUS");
  for (const name of new Set(names)) {
    const found = viewNames.find((known) => known === name);
    if (found === undefined) {
      const near = nearestName(name, viewNames);
      const hint = near === undefined ? "" : ` Did you mean ${near}?`;
      add(`must be of ${viewNames.join(", ")}; got ${JSON.stringify(name)}.${hint}`, "CONFIG_UNKNOWN_VALUE");
    } else if (!views[found].kinds.some((kind) => kinds.has(kind))) {
      add(`${name} is a view of ${views[found].kinds.join(" and ")}, of which no task says anything.`, "VIEW_UNUSED");
    } else if (!has(network, views[found])) {
      add(
        `${name} is an attention mask, which a network ${whyNot(network)} does not take. Use masked.`,
        "VIEW_UNSUPPORTED",
      );
    }
  }
  return issues;
}

/** The views of a task among those that were chosen. */
export function viewsOf(names: readonly ViewName[], kind: ViewedKind): readonly ViewName[] {
  return names.filter((name) => views[name].kinds.includes(kind));
}

/**
 * A batch of texts as a view sees it.
 * @param batch with `maskedIds` i32 `[R, W]` for `masked`, and for halves, by their names, ranks i32 `[R, W]`: 1 for what they
 * do not see, which sees all itself and is read by nothing; 0 for all else
 */
export function seen(sight: Sight, batch: Readonly<Record<string, Tensor>>): EncoderInputs {
  const inputs = batch as unknown as EncoderInputs;
  switch (sight) {
    case "left":
      return { ...inputs, attentionRanks: inputs.positionIds };
    case "right":
      return { ...inputs, attentionRanks: neg(inputs.positionIds) };
    case "masked":
      return { ...inputs, inputIds: batch.maskedIds! };
    default:
      return { ...inputs, attentionRanks: batch[sight]! };
  }
}
