/** @file Rows for many sequences in any order: those of an evaluation or of predictions. */
import { packSequences } from "./packing.ts";
import { bucketWidth, packTightly, type RowShapeOptions, rowCost } from "./row-shape.ts";

/** Rows that are computed together. */
export interface PlannedBatch {
  readonly width: number;
  /** At least the rows in use; the others are padding. */
  readonly numRows: number;
  /** For each row in use the numbers of its sequences. */
  readonly rows: readonly (readonly number[])[];
}

export interface RowPlanOptions extends RowShapeOptions {
  /** Most places in a batch, padding included; a row that has more is a batch of its own. */
  readonly maxPlaces: number;
}

/** What another shape costs, in places: an eighth of this for compiling its graph, the rest for its memory. */
const SHAPE_COST = 8_192;
/** What a place costs more where it is padding: of plans that cost nearly the same the one with less is taken. */
const PADDING_COST = 1.5;
/** Packed groups end at this length, doubled again and again: shorter sequences need no wider rows. */
const FIRST_LIMIT = 64;
/** Widths of packed rows that are tried grow by this factor, up to … */
const WIDTH_RATIO = 1.06;
/** … so many times the longest sequence. */
const MOST_STRETCH = 2;

/** Sequences [begin, end) in order of length, in rows of one width. */
interface Group {
  readonly begin: number;
  readonly end: number;
  readonly width: number;
  readonly isPacked: boolean;
  readonly cost: number;
}

const multipleOfFour = (width: number): number => 4 * Math.ceil(width / 4);

function groupCost(numRows: number, width: number, total: number, { attentionWidth }: RowPlanOptions): number {
  return rowCost(numRows, width, attentionWidth) + PADDING_COST * (numRows * width - total) + SHAPE_COST;
}

/** The cheapest width for sequences that share rows. */
function packedGroup(begin: number, end: number, sorted: readonly number[], options: RowPlanOptions): Group {
  const lengths = sorted.slice(begin, end);
  const longest = lengths.at(-1)!;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  // Rows wider than all tokens together would be empty in part.
  const widest = multipleOfFour(Math.max(longest, Math.min(total, longest * MOST_STRETCH)));
  let best: Group | undefined;
  for (let width = multipleOfFour(longest); width <= widest; width = multipleOfFour(width * WIDTH_RATIO)) {
    // No packing wastes less than nothing.
    if (best !== undefined && groupCost(total / width, width, total, options) > best.cost) continue;
    const cost = groupCost(packSequences(lengths, width).rows.length, width, total, options);
    if (best === undefined || cost < best.cost) best = { begin, end, width, isPacked: true, cost };
  }
  return best!;
}

/** Where runs of one kind end, 0 at the front. */
function runEnds(sorted: readonly number[], kindOf: (length: number) => number): number[] {
  const ends = sorted.flatMap((length, i) =>
    i + 1 === sorted.length || kindOf(sorted[i + 1]!) !== kindOf(length) ? [i + 1] : [],
  );
  return [0, ...ends];
}

/**
 * Divides sequences in order of length into groups, each packed into rows of one width or one sequence a row, so that
 * places, attention and shapes together cost least.
 */
function cheapestGroups(sorted: readonly number[], options: RowPlanOptions): readonly Group[] {
  const { packed, maxSeqLength } = options;
  const ends = runEnds(sorted, (length) => bucketWidth(length, maxSeqLength));
  const limits = new Set(runEnds(sorted, (length) => Math.max(0, Math.ceil(Math.log2(length / FIRST_LIMIT)))));
  const sums = [0];
  for (const length of sorted) sums.push(sums.at(-1)! + length);
  // best[e]: the cheapest groups of the sequences before ends[e], by its last one.
  const best: { readonly cost: number; readonly from: number; readonly group?: Group }[] = [{ cost: 0, from: 0 }];
  for (let e = 1; e < ends.length; e++) {
    const end = ends[e]!;
    let cheapest = { cost: Number.POSITIVE_INFINITY, from: 0, group: undefined as Group | undefined };
    for (let from = 0; from < e; from++) {
      const begin = ends[from]!;
      const width = bucketWidth(sorted[end - 1]!, maxSeqLength);
      const bucketCost = groupCost(end - begin, width, sums[end]! - sums[begin]!, options);
      const choices: Group[] = [{ begin, end, width, isPacked: false, cost: bucketCost }];
      if (packed && limits.has(begin) && limits.has(end)) choices.push(packedGroup(begin, end, sorted, options));
      for (const group of choices) {
        const cost = best[from]!.cost + group.cost;
        if (cost < cheapest.cost) cheapest = { cost, from, group };
      }
    }
    best.push(cheapest as (typeof best)[number]);
  }
  const groups: Group[] = [];
  for (let e = ends.length - 1; e > 0; e = best[e]!.from) groups.unshift(best[e]!.group!);
  return groups;
}

/** Cuts rows into batches of equally many: as few batches as may be, or up to half as many more where the last is then fuller. */
function batches(rows: PlannedBatch["rows"], width: number, maxPlaces: number): PlannedBatch[] {
  const fewest = Math.ceil((rows.length * width) / Math.max(width, maxPlaces - (maxPlaces % width)));
  const rowsIn = (count: number): number => Math.ceil(rows.length / count);
  const surplus = (count: number): number => count * rowsIn(count) - rows.length;
  let count = fewest;
  for (let more = fewest + 1; more <= 1.5 * fewest; more++) if (surplus(more) < surplus(count)) count = more;
  const numRows = rowsIn(count);
  return Array.from({ length: Math.ceil(rows.length / numRows) }, (_, i) => ({
    width,
    numRows,
    rows: rows.slice(i * numRows, (i + 1) * numRows),
  }));
}

/**
 * Batches for sequences that may be computed in any order. A pure function of the lengths.
 *
 * Packed, padding is 1 to 3 % for hundreds of sequences; sequences too long to share rows go into buckets.
 * @param lengths tokens of each sequence
 * @throws {DataError} SEQUENCE_EMPTY
 */
export function planRows(lengths: readonly number[], options: RowPlanOptions): readonly PlannedBatch[] {
  if (lengths.length === 0) return [];
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[a]! - lengths[b]! || a - b);
  const sorted = order.map((item) => lengths[item]!);
  return cheapestGroups(sorted, options).flatMap(({ begin, end, width, isPacked }) => {
    const own = order.slice(begin, end);
    if (!isPacked)
      return batches(
        own.map((item) => [item]),
        width,
        options.maxPlaces,
      );
    const { rows } = packTightly(sorted.slice(begin, end), width);
    return batches(
      rows.map((row) => row.map((i) => own[i]!)),
      width,
      options.maxPlaces,
    );
  });
}

/**
 * A planned batch by itself.
 * @returns `items`: the numbers of its sequences in the order of its rows; `layout`: its rows by places in `items`
 */
export function batchLayout(planned: PlannedBatch): {
  readonly items: readonly number[];
  readonly layout: PlannedBatch;
} {
  let at = 0;
  return { items: planned.rows.flat(), layout: { ...planned, rows: planned.rows.map((row) => row.map(() => at++)) } };
}
