import { expect, it } from "vitest";
import { bfloat16FromFloat32, float32FromBfloat16, float32FromHalf, halfFromFloat32 } from "./half-float.ts";

const everyPattern = Uint16Array.from({ length: 0x10000 }, (_, i) => i);
const isNan = (pattern: number, exponent: number): boolean => (pattern & 0x7fff) > exponent;

it.each([
  ["half", float32FromHalf, halfFromFloat32, 0x7c00],
  ["bfloat16", float32FromBfloat16, bfloat16FromFloat32, 0x7f80],
] as const)(
  "%s: all 65 536 patterns survive the way to float32 and back (subnormals, both zeros, infinities)",
  (_n, decode, encode, exponent) => {
    const back = encode(decode(everyPattern));
    const wrong = everyPattern.filter((pattern) =>
      isNan(pattern, exponent) ? !isNan(back[pattern]!, exponent) : back[pattern] !== pattern,
    );
    expect([...wrong]).toEqual([]);
  },
);

it.each([
  ["half", float32FromHalf, halfFromFloat32, 0x7c00],
  ["bfloat16", float32FromBfloat16, bfloat16FromFloat32, 0x7f80],
] as const)(
  "%s: midpoints between neighbours go to the even one, anything beyond to the nearer",
  (_n, decode, encode, exponent) => {
    const values = decode(everyPattern);
    const wrong: number[] = [];
    for (let low = 0; low < exponent - 1; low++) {
      const middle = (values[low]! + values[low + 1]!) / 2;
      const even = low % 2 === 0 ? low : low + 1;
      // Half the bits of float32 suffice for the midpoint of neighbours, so `middle` is exact.
      const nudge = (values[low + 1]! - values[low]!) / 8;
      const [tie, below, above] = encode(new Float32Array([middle, middle - nudge, middle + nudge]));
      const isExact = Math.fround(middle) === middle && Math.fround(middle - nudge) === middle - nudge;
      if (isExact && (tie !== even || below !== low || above !== low + 1)) wrong.push(low);
    }
    expect(wrong).toEqual([]);
  },
);
