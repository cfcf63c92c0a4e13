import type { Backend, ParameterStore, SweepRange } from "../backend/backend.ts";
import {
  applyProgram,
  directionProgram,
  type LayerwiseRule,
  type UpdateFacts,
  type UpdateRule,
  updateProgram,
} from "./update-rule.ts";

/** Parameters [first, last) that are updated with the same facts. */
export interface UpdateRange {
  readonly first: number;
  readonly last: number;
  readonly facts: UpdateFacts;
}

/** Moves the weights of a store by their gradients, whatever the rule needs for that. */
export interface Updater {
  /** May overwrite the section `gradient`. */
  run(store: ParameterStore, ranges: readonly UpdateRange[]): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Compiles an update rule for an engine.
 * @param decays whether weight decay applies to a parameter of the store, by its index
 */
export async function compileUpdater(
  backend: Backend,
  rule: UpdateRule,
  decays: (index: number) => boolean,
): Promise<Updater> {
  if ("direction" in rule) return layerwiseUpdater(backend, rule, decays);
  const sweep = await backend.compileSweep(updateProgram(rule));
  return {
    run: async (store, ranges) => {
      await sweep.run(
        store,
        ranges.map(({ first, last, facts }) => ({ first, last, scalars: rule.scalars(facts) })),
      );
    },
    dispose: () => sweep.dispose(),
  };
}

/** Two sweeps: directions with their norms, then steps whose lengths the norms decide. */
async function layerwiseUpdater(
  backend: Backend,
  rule: LayerwiseRule,
  decays: (index: number) => boolean,
): Promise<Updater> {
  const direction = await backend.compileSweep(directionProgram(rule));
  const apply = await backend.compileSweep(applyProgram());
  return {
    run: async (store, ranges) => {
      const alone = ranges.flatMap(({ first, last, facts }) =>
        Array.from({ length: last - first }, (_, i) => ({ index: first + i, facts })),
      );
      const range = (index: number, scalars: SweepRange["scalars"]): SweepRange => ({
        first: index,
        last: index + 1,
        scalars,
      });
      const sums = await direction.runEach(
        store,
        alone.map(({ index, facts }) => range(index, rule.scalars(facts))),
      );
      const steps = alone.map(({ index, facts }, i) => {
        const { values, directions } = sums[i]!;
        const norms = { value: Math.sqrt(values!), direction: Math.sqrt(directions!), decays: decays(index) };
        return range(index, { stepSize: facts.learningRate * rule.trustRatio(norms) });
      });
      await apply.run(store, steps);
    },
    dispose: async () => {
      await direction.dispose();
      await apply.dispose();
    },
  };
}
