/** @file The error function in double precision. */

const smallNumerator = [
  0.18577770618460315, 3.1611237438705655, 113.86415415105016, 377.485237685302, 3209.3775891384694,
];
const smallDenominator = [1, 23.601290952344122, 244.02463793444417, 1282.6165260773723, 2844.236833439171];
const middleNumerator = [
  2.1531153547440383e-8, 0.5641884969886701, 8.883149794388377, 66.11919063714163, 298.6351381974001, 881.952221241769,
  1712.0476126340707, 2051.0783778260716, 1230.3393547979972,
];
const middleDenominator = [
  1, 15.744926110709835, 117.6939508913125, 537.1811018620099, 1621.3895745666903, 3290.7992357334597,
  4362.619090143247, 3439.3676741437216, 1230.3393548037495,
];
const largeNumerator = [
  0.016315387137302097, 0.30532663496123236, 0.36034489994980445, 0.12578172611122926, 0.016083785148742275,
  0.0006587491615298378,
];
const largeDenominator = [
  1, 2.568520192289822, 1.8729528499234673, 0.5279051029514285, 0.06051834131244132, 0.0023352049762686918,
];
const inverseSqrtPi = 0.5641895835477563;

/** Value of a polynomial whose highest coefficient comes first (Horner). */
function polynomial(coefficients: readonly number[], x: number): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * x + coefficient;
  return sum;
}

/** 1 − erf(y) for y ≥ 0.46875. */
function complement(y: number): number {
  // exp(−y²) as two factors: the first exponent is exact, so the rounding of y² does not count.
  const head = Math.trunc(y * 16) / 16;
  const gaussian = Math.exp(-head * head) * Math.exp(-(y - head) * (y + head));
  if (y <= 4) return (gaussian * polynomial(middleNumerator, y)) / polynomial(middleDenominator, y);
  const z = 1 / (y * y);
  const tail = (z * polynomial(largeNumerator, z)) / polynomial(largeDenominator, z);
  return (gaussian * (inverseSqrtPi - tail)) / y;
}

/**
 * Error function, to a relative error of about 1e-16.
 * @source W. J. Cody, Rational Chebyshev approximations for the error function, Math. Comp. 23 (1969) 631–637
 */
export function erf(x: number): number {
  const y = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (y <= 0.46875) return (x * polynomial(smallNumerator, x * x)) / polynomial(smallDenominator, x * x);
  return Math.sign(x) * (y > 6 ? 1 : 1 - complement(y));
}
