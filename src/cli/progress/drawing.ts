const BLOCKS = "▁▂▃▄▅▆▇█";

/** A bar of so many columns, filled by a share in `[0, 1]`; full only when all is done. */
export function progressBar(share: number, columns: number): string {
  const clean = Number.isFinite(share) ? Math.min(1, Math.max(0, share)) : 0;
  const filled = Math.floor(clean * columns + 1e-9);
  return "█".repeat(filled) + "░".repeat(columns - filled);
}

/** Values as a row of blocks, low to high between their own extremes; a value that is not finite leaves a space. */
export function sparkline(values: readonly number[]): string {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  const span = Math.max(...finite) - low;
  const block = (value: number): string => {
    if (!Number.isFinite(value)) return " ";
    return BLOCKS[span === 0 ? 0 : Math.round(((value - low) / span) * (BLOCKS.length - 1))]!;
  };
  return values.map(block).join("");
}

/** The course of a figure over a whole run in a fixed number of places, each the mean of equally many values. */
export class Course {
  readonly #places: number;
  #means: number[] = [];
  #span = 1;
  #sum = 0;
  #count = 0;

  /** @param places most means kept; even */
  constructor(places: number) {
    this.#places = places;
  }

  add(value: number): void {
    this.#sum += value;
    if (++this.#count < this.#span) return;
    this.#means.push(this.#sum / this.#count);
    this.#sum = 0;
    this.#count = 0;
    if (this.#means.length < this.#places) return;
    this.#means = this.#means.flatMap((mean, index, all) => (index % 2 === 0 ? [(mean + all[index + 1]!) / 2] : []));
    this.#span *= 2;
  }

  /** The means so far, oldest first; the last may rest on fewer values. */
  get values(): readonly number[] {
    return this.#count === 0 ? this.#means : [...this.#means, this.#sum / this.#count];
  }
}
