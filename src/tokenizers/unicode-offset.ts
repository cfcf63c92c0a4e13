/** Whether a UTF-16 unit is the first half of a pair. */
export function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** Whether a UTF-16 unit is the second half of a pair. */
export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/**
 * UTF-16 position of every code point of a text, its length at the end; undefined where both counts agree.
 *
 * A lone surrogate counts as one code point, as it does for the native library (which sees U+FFFD).
 * @returns `[code points + 1]`, or undefined for a text without surrogate pairs
 */
export function codePointToUnit(text: string): Int32Array | undefined {
  let pairs = 0;
  for (let i = 0; i + 1 < text.length; i++) {
    if (isHighSurrogate(text.charCodeAt(i)) && isLowSurrogate(text.charCodeAt(i + 1))) {
      pairs++;
      i++;
    }
  }
  if (pairs === 0) return undefined;
  const units = new Int32Array(text.length - pairs + 1);
  let point = 0;
  for (let i = 0; i < text.length; i++) {
    units[point++] = i;
    if (isHighSurrogate(text.charCodeAt(i)) && isLowSurrogate(text.charCodeAt(i + 1))) i++;
  }
  units[point] = text.length;
  return units;
}
