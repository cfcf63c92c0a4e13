/** @file The two 16-bit float formats, by number and by array; rounding is of float32 to nearest, ties to even. */

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

let halfTable: Float32Array | undefined;

/** Value of one half-precision bit pattern. */
export function decodeFloat16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Half-precision bit patterns → float32 (exact). */
export function float32FromHalf(source: Uint16Array): Float32Array {
  if (halfTable === undefined) {
    halfTable = new Float32Array(0x10000);
    for (let half = 0; half < 0x10000; half++) halfTable[half] = decodeFloat16(half);
  }
  const table = halfTable;
  const result = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) result[i] = table[source[i]!]!;
  return result;
}

/** Value of one bfloat16 bit pattern. */
export function decodeBfloat16(pattern: number): number {
  bits[0] = pattern << 16;
  return float[0]!;
}

/** Nearest bfloat16 bit pattern of a float32. */
export function encodeBfloat16(value: number): number {
  float[0] = value;
  return roundToBfloat16(bits[0]!);
}

/** The upper half of a float32's bits, rounded; NaN stays NaN. */
function roundToBfloat16(word: number): number {
  const isNan = (word & 0x7fffffff) > 0x7f800000;
  return isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** bfloat16 bit patterns → float32 (exact, NaN payloads kept). */
export function float32FromBfloat16(source: Uint16Array): Float32Array {
  const result = new Uint32Array(source.length);
  for (let i = 0; i < source.length; i++) result[i] = source[i]! << 16;
  return new Float32Array(result.buffer);
}

/** Nearest half-precision bit pattern of a float32; beyond 65 504 + half a unit it becomes infinite. */
export function encodeFloat16(value: number): number {
  float[0] = value;
  const word = bits[0]!;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below the smallest normal half: one unit is 2⁻²⁴, and |value|·2²⁴ is exact in a double.
    return sign | roundHalfToEven(Math.abs(float[0]!) * 2 ** 24);
  }
  const rebiased = magnitude - 0x38000000;
  return sign | ((rebiased + 0xfff + ((rebiased >>> 13) & 1)) >>> 13);
}

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** float32 → half-precision bit patterns. */
export function halfFromFloat32(source: Float32Array): Uint16Array {
  const result = new Uint16Array(source.length);
  for (let i = 0; i < source.length; i++) result[i] = encodeFloat16(source[i]!);
  return result;
}

/** float32 → bfloat16 bit patterns. */
export function bfloat16FromFloat32(source: Float32Array): Uint16Array {
  const words = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const result = new Uint16Array(source.length);
  for (let i = 0; i < words.length; i++) result[i] = roundToBfloat16(words[i]!);
  return result;
}
