/**
 * @file Sizes that a file leaves open, and how numbers of a traced graph come of them.
 *
 * A graph is traced twice, with different odd sizes for its open dimensions. Numbers that are equal in both graphs are
 * fixed; every other one must be explained by the dimensions, in both graphs alike.
 */
import { internalError } from "../base/errors.ts";

/** The same number in the two traced graphs. */
export type Pair = readonly [number, number];

/** Which sizes a graph is traced with. */
export type TracedGraph = 0 | 1 | "small";

/** `factor · Π dimensions + offset`. */
export interface Expression {
  readonly factor: number;
  readonly dimensions: readonly string[];
  readonly offset: number;
}

/**
 * Sizes no model has by chance: above 4096, from where on the lowering computes index ranges instead of storing them, and
 * below 2¹⁵, so that products of two are whole numbers of 32 bits. All primes, those of one pair and their sums apart.
 */
const SIZES: readonly Pair[] = [
  [5_003, 6_007],
  [7_013, 8_059],
  [9_029, 10_111],
  [11_047, 12_163],
  [13_033, 14_207],
];

/** Sizes of the same dimensions in a third graph, which only checks the others. */
const SMALL_SIZES = [2, 3, 5, 7, 11];

/** Numbers added to a dimension: one token less, rows before the first position. */
const LARGEST_OFFSET = 4;

/** The open dimensions of one export. */
export class Dimensions {
  private readonly sizes: ReadonlyMap<string, Pair>;
  private readonly small: ReadonlyMap<string, number>;
  /** Dimensions that are the sum of two others. */
  readonly sums: Readonly<Record<string, readonly [string, string]>>;

  /** @param names of the dimensions; @param sums further ones, each the sum of two of them */
  constructor(names: readonly string[], sums: Readonly<Record<string, readonly [string, string]>> = {}) {
    if (names.length > SIZES.length) throw internalError(`${names.length} open dimensions; at most ${SIZES.length}`);
    const own = new Map(names.map((name, i) => [name, SIZES[i]!] as const));
    const added = Object.entries(sums).map(([name, [a, b]]): [string, Pair] => {
      const [x, y] = [own.get(a)!, own.get(b)!];
      return [name, [x[0] + y[0], x[1] + y[1]]];
    });
    // Sums first: what they divide into is not to be taken apart.
    this.sizes = new Map([...added, ...own]);
    const few = new Map(names.map((name, i) => [name, SMALL_SIZES[i]!] as const));
    this.small = new Map([
      ...few,
      ...Object.entries(sums).map(([name, [a, b]]) => [name, few.get(a)! + few.get(b)!] as const),
    ]);
    this.sums = sums;
  }

  /** Size of a dimension in one of the two graphs, or in the small one; numbers stand for themselves. */
  size(dimension: string | number, graph: TracedGraph): number {
    if (typeof dimension === "number") return dimension;
    const size = graph === "small" ? this.small.get(dimension) : this.sizes.get(dimension)?.[graph];
    if (size === undefined) throw internalError(`the dimension "${dimension}" is not declared`);
    return size;
  }

  /** A number of the small graph. */
  smallValue({ factor, dimensions, offset }: Expression): number {
    return dimensions.reduce((product, name) => product * this.small.get(name)!, factor) + offset;
  }

  /** How a number comes of the dimensions; undefined where it does not. */
  explain([first, second]: Pair): Expression | undefined {
    if (first === second) return { factor: first, dimensions: [], offset: 0 };
    for (const [name, [a, b]] of this.sizes) {
      const offset = first - a;
      if (offset === second - b && Math.abs(offset) <= LARGEST_OFFSET) return { factor: 1, dimensions: [name], offset };
    }
    const dimensions: string[] = [];
    let rest: Pair = [first, second];
    for (const [name, [a, b]] of this.sizes) {
      while (rest[0] !== 0 && rest[0] % a === 0 && rest[1] % b === 0) {
        rest = [rest[0] / a, rest[1] / b];
        dimensions.push(name);
      }
    }
    return rest[0] === rest[1] && dimensions.length > 0 ? { factor: rest[0], dimensions, offset: 0 } : undefined;
  }

  /** A size as files name it: a number, one dimension, or a text of several. */
  label(pair: Pair): number | string | undefined {
    const found = this.explain(pair);
    if (found === undefined) return undefined;
    const { factor, dimensions, offset } = found;
    if (dimensions.length === 0) return factor;
    const product = [...(factor === 1 ? [] : [factor]), ...dimensions].join(" x ");
    return offset === 0 ? product : `${product} ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`;
  }
}
