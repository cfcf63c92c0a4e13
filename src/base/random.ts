/**
 * Host-side random numbers: every draw is a function of (seed, stream…), so the same inputs give the same
 * numbers on every machine, in every resume and for any number of workers.
 */

/** Mixes 32 bits thoroughly (the `lowbias32` finaliser; bias 0.17 by its author's measure). */
export function mix32(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Folds a text or integer into a 32-bit seed. */
export function foldSeed(seed: number, part: number | string): number {
  if (typeof part === "number") {
    // Both halves of a safe integer take part, so that step numbers above 2³² still differ.
    const high = Math.floor(part / 0x1_0000_0000);
    return mix32(mix32((seed ^ 0x9e3779b9) + (part | 0)) + Math.imul(high | 0, 0x85ebca6b) + 0x165667b1);
  }
  let h = mix32(seed ^ 0x51ed270b);
  for (let i = 0; i < part.length; i++) h = mix32(h ^ (part.charCodeAt(i) + Math.imul(i + 1, 0x9e3779b1)));
  return h;
}

/** A seeded generator (sfc32): 128 bits of state, passes PractRand; not for cryptography. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;
  private spareNormal: number | undefined;

  /** @param parts what the stream stands for, e.g. `new Random(seed, "masking", epoch, index)` */
  constructor(seed: number, ...parts: readonly (number | string)[]) {
    const folded = parts.reduce<number>(foldSeed, foldSeed(0x2545f491, seed));
    this.a = mix32(folded ^ 0x243f6a88);
    this.b = mix32(folded ^ 0x85a308d3);
    this.c = mix32(folded ^ 0x13198a2e);
    for (let i = 0; i < 12; i++) this.nextUint32();
  }

  /** A uniform integer in [0, 2³²). */
  nextUint32(): number {
    const t = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** A uniform number in [0, 1) with 53 random bits. */
  next(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  }

  /** A uniform integer in [0, bound), without modulo bias. */
  nextInt(bound: number): number {
    if (!Number.isInteger(bound) || bound <= 0 || bound > 0x1_0000_0000) {
      throw new RangeError(`Random.nextInt: bound must be an integer in [1, 2^32]; got ${bound}.`);
    }
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound);
    let draw = this.nextUint32();
    while (draw >= limit) draw = this.nextUint32();
    return draw % bound;
  }

  /** A standard normal number (Box–Muller; two at a time). */
  nextNormal(): number {
    if (this.spareNormal !== undefined) {
      const spare = this.spareNormal;
      this.spareNormal = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()));
    const angle = 2 * Math.PI * this.next();
    this.spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Shuffles in place (Fisher–Yates) and returns the same array. */
  shuffle<A extends { length: number; [index: number]: unknown }>(items: A): A {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.nextInt(i + 1);
      const held = items[i];
      items[i] = items[j];
      items[j] = held;
    }
    return items;
  }
}
