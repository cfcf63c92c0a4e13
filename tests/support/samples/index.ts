import type { OpName } from "../../../src/ir/graph.ts";
import { compositeSamples } from "./composite.ts";
import { controlSamples } from "./control.ts";
import { elementwiseSamples } from "./elementwise.ts";
import type { Sample } from "./sample.ts";
import { structureSamples } from "./structure.ts";

/** Samples of every operation: one without samples does not compile. */
export const opSamples: { readonly [P in OpName]: readonly Sample[] } = {
  ...elementwiseSamples,
  ...structureSamples,
  ...compositeSamples,
  ...controlSamples,
};

export const opNames = Object.keys(opSamples) as OpName[];
