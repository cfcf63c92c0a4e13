import type { HostData } from "../ir/dtype.ts";
import type { FigureFacts } from "./loss-graph.ts";

export type Counts = Readonly<Record<string, number>>;

/** Adds up sums and counts of several batches and turns them into means. */
export class FigureTotals {
  private readonly sums = new Map<string, number>();
  private readonly counts = new Map<string, number>();

  /** @param outputs a graph's outputs, of which those called `figure.<name>` are taken */
  add(outputs: Readonly<Record<string, HostData>>, counts: Counts): void {
    for (const [name, data] of Object.entries(outputs)) {
      if (!name.startsWith("figure.")) continue;
      const key = name.slice("figure.".length);
      this.sums.set(key, (this.sums.get(key) ?? 0) + data[0]!);
    }
    for (const [name, count] of Object.entries(counts)) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  /**
   * The mean of every figure, and the weighted sum of the terms' means.
   * @param factors of terms that have one beside their weight; 1 where it is not given
   */
  means(
    facts: readonly FigureFacts[],
    factors: Readonly<Record<string, number>> = {},
  ): { readonly loss: number; readonly means: Readonly<Record<string, number>> } {
    const means: Record<string, number> = {};
    let loss = 0;
    for (const { name, count, weight, factor } of facts) {
      const total = this.counts.get(count) ?? 0;
      means[name] = total === 0 ? 0 : this.sums.get(name)! / total;
      loss += (weight ?? 0) * (factor === undefined ? 1 : (factors[factor] ?? 1)) * means[name];
    }
    return { loss, means };
  }
}

/** Counts of several batches together. */
export function totalCounts(batches: readonly { readonly counts: Counts }[]): Record<string, number> {
  const totals: Record<string, number> = {};
  for (const { counts } of batches) {
    for (const [name, count] of Object.entries(counts)) totals[name] = (totals[name] ?? 0) + count;
  }
  return totals;
}
