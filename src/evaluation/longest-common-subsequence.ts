/** Lengths of the longest common subsequences of all prefixes: `[a + 1, b + 1]`, row-major. */
function lengthTable(a: readonly string[], b: readonly string[]): Uint32Array {
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const at = i * width + j;
      table[at] = a[i - 1] === b[j - 1] ? table[at - width - 1]! + 1 : Math.max(table[at - width]!, table[at - 1]!);
    }
  }
  return table;
}

/** Length of the longest common subsequence. */
export function commonLength(a: readonly string[], b: readonly string[]): number {
  return lengthTable(a, b).at(-1)!;
}

/** Positions in `a` of one longest common subsequence; of several the one that ROUGE's package finds. */
export function commonPositions(a: readonly string[], b: readonly string[]): number[] {
  const table = lengthTable(a, b);
  const width = b.length + 1;
  const positions: number[] = [];
  let [i, j] = [a.length, b.length];
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      i--;
      j--;
      positions.push(i);
    } else if (table[i * width + j - 1]! > table[(i - 1) * width + j]!) j--;
    else i--;
  }
  return positions.reverse();
}
