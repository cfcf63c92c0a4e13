/** @file How strongly the parts of a sequence belong together. */
import type { CountTable } from "./count-table.ts";

/**
 * Pointwise mutual information of the two parts of a sequence where they hold together least, in nats: the least over all
 * cuts of log(p(whole) / (p(left) · p(right))).
 * @param total of all single parts
 * @source Church and Hanks 1990, "Word association norms, mutual information, and lexicography"
 */
export function weakestLink(parts: readonly string[], joint: string, counts: CountTable, total: number): number {
  const whole = counts.get(parts.join(joint));
  let least = Number.POSITIVE_INFINITY;
  for (let cut = 1; cut < parts.length; cut++) {
    const left = counts.get(parts.slice(0, cut).join(joint));
    const right = counts.get(parts.slice(cut).join(joint));
    if (left === 0 || right === 0) return 0;
    least = Math.min(least, Math.log((whole * total) / (left * right)));
  }
  return least;
}

/** What stands beside something, as counts; occurrences without a neighbour differ from all others. */
export class Neighbours {
  private known = 0;
  private weighted = 0;

  add(count: number): void {
    this.known += count;
    this.weighted += count * Math.log(count);
  }

  /** Entropy of the neighbour among `occurrences`, in nats: low where the same stands there always. */
  entropy(occurrences: number): number {
    const total = Math.max(this.known, occurrences);
    return total === 0 ? 0 : Math.log(total) - this.weighted / total;
  }
}
