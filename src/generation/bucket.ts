/** @file Static shapes: counts are rounded up to few sizes, so that few graphs are compiled and little room is wasted. */

/** Powers of two and one and a half times these: 1, 2, 3, 4, 6, 8, 12, …; at most half as much again as is needed. */
function step(count: number): number {
  if (count <= 2) return Math.max(1, count);
  const power = 2 ** Math.ceil(Math.log2(count));
  return count <= 0.75 * power ? 0.75 * power : power;
}

/** Rows computed together. */
export function rowBucket(rows: number): number {
  return step(rows);
}

/** Tokens fed at once. */
export function widthBucket(width: number): number {
  return width <= 2 ? width : Math.max(8, step(width));
}

/** Tokens that a cache has room for: 64, 96, 128, 192, 256, …; none for none. */
export function capacityBucket(tokens: number): number {
  return tokens === 0 ? 0 : Math.max(64, step(tokens));
}
