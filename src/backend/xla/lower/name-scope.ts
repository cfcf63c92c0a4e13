/** @file Names of values inside one function, each used once. */

/** A name that MLIR takes, as near to the given one as can be. */
export function symbolName(text: string): string {
  const plain = text.replace(/[^A-Za-z0-9_$.]/g, "_");
  return /^[A-Za-z_]/.test(plain) ? plain : `_${plain}`;
}

export class NameScope {
  private readonly taken = new Set<string>();
  private readonly counts = new Map<string, number>();

  /** The name itself, or with a number behind it where it is taken. */
  own(text: string): string {
    const name = symbolName(text);
    if (this.taken.has(name)) return this.numbered(name);
    this.taken.add(name);
    return name;
  }

  /** The name with the next number behind it: `linear.0`, `linear.1`. */
  numbered(text: string): string {
    const base = symbolName(text);
    for (;;) {
      const count = this.counts.get(base) ?? 0;
      this.counts.set(base, count + 1);
      const name = `${base}.${count}`;
      if (this.taken.has(name)) continue;
      this.taken.add(name);
      return name;
    }
  }
}
