/** A point of a curve: x, y. */
export type Point = readonly [x: number, y: number];

/**
 * Exponential moving average of a curve's heights, free of the start's bias; gaps (values that are not finite) stay.
 * @param weight share of the past in each value, in `[0, 1)`
 */
export function smoothed(points: readonly Point[], weight: number): Point[] {
  let average = 0;
  let total = 0;
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, y];
    average = weight * average + (1 - weight) * y;
    total = weight * total + (1 - weight);
    return [x, average / total];
  });
}

/**
 * At most `limit` points that draw the same picture: the first, the last, and the lowest and highest of each bucket.
 * @param limit at least 4
 */
export function thinned(points: readonly Point[], limit: number): readonly Point[] {
  if (points.length <= limit) return points;
  const numBuckets = Math.floor((limit - 2) / 2);
  const inner = points.length - 2;
  const kept: Point[] = [points[0]!];
  for (let bucket = 0; bucket < numBuckets; bucket++) {
    const start = 1 + Math.floor((bucket * inner) / numBuckets);
    const end = 1 + Math.floor(((bucket + 1) * inner) / numBuckets);
    let lowest = start;
    let highest = start;
    for (let index = start + 1; index < end; index++) {
      const y = points[index]![1];
      if (y < points[lowest]![1]) lowest = index;
      if (y > points[highest]![1]) highest = index;
    }
    kept.push(points[Math.min(lowest, highest)]!);
    if (lowest !== highest) kept.push(points[Math.max(lowest, highest)]!);
  }
  kept.push(points.at(-1)!);
  return kept;
}

/** The `d` of an SVG path through places on the drawing; a place that is not finite interrupts the line. */
export function pathData(places: readonly Point[]): string {
  let data = "";
  let pen = "M";
  for (const [x, y] of places) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      pen = "M";
      continue;
    }
    data += `${pen}${Number(x.toFixed(1))} ${Number(y.toFixed(1))}`;
    pen = "L";
  }
  return data;
}
