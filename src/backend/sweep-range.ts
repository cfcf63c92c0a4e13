import { BackendError, nearestName } from "../base/errors.ts";
import type { SweepRange } from "./backend.ts";

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "sweep" });
}

/**
 * Checks ranges before a sweep over a store; every engine refuses the same.
 * @param facts.parameters of the store
 * @param facts.scalars that the program takes
 * @param facts.writes whether it writes into the store: ranges must then lie apart
 * @throws {BackendError} SWEEP_RANGE, SWEEP_SCALAR, SWEEP_OVERLAP
 */
export function checkSweepRanges(
  ranges: readonly SweepRange[],
  facts: { readonly parameters: number; readonly scalars: readonly string[]; readonly writes: boolean },
): void {
  const { parameters, scalars, writes } = facts;
  for (const { first, last, scalars: given } of ranges) {
    const isWhole = Number.isInteger(first) && Number.isInteger(last);
    if (!isWhole || first < 0 || first > last || last > parameters) {
      fail("SWEEP_RANGE", `a range must lie in [0, ${parameters}]; got [${first}, ${last}).`);
    }
    for (const name of scalars) {
      if (typeof given[name] !== "number") fail("SWEEP_SCALAR", `range [${first}, ${last}) lacks scalar "${name}".`);
    }
    for (const name of Object.keys(given)) {
      if (scalars.includes(name)) continue;
      const near = nearestName(name, scalars);
      fail("SWEEP_SCALAR", `there is no scalar "${name}".${near === undefined ? "" : ` Did you mean "${near}"?`}`);
    }
  }
  if (!writes) return;
  const ordered = ranges.filter(({ first, last }) => first < last).sort((a, b) => a.first - b.first);
  ordered.forEach((range, i) => {
    const next = ordered[i + 1];
    if (next === undefined || next.first >= range.last) return;
    const both = `ranges [${range.first}, ${range.last}) and [${next.first}, ${next.last})`;
    fail("SWEEP_OVERLAP", `${both} overlap. Run them one after the other.`);
  });
}
