/** Quantiles of the Beta distribution. */
import { checkInRange, checkPositive } from '@dm/ops';

/**
 * The x in [0, 1] with I_x(a, b) = p, by bisection of the regularized incomplete beta function.
 * @throws {RangeError} if p is not in [0, 1], or a or b is not > 0
 */
export function betaQuantile(p: number, a: number, b: number): number {
  checkInRange('betaQuantile: p', p, '[0, 1]');
  checkPositive('betaQuantile: a', a);
  checkPositive('betaQuantile: b', b);
  if (p === 0 || p === 1) return p;
  let [low, high] = [0, 1];
  // Until they are neighbors; a tiny quantile takes more halvings.
  for (;;) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (incompleteBeta(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return high;
}

/** I_x(a, b): the continued fraction of https://dlmf.nist.gov/8.17#v, by Lentz's method. */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  let [c, d, fraction] = [1, 0, 1];
  for (let k = 1; k < 1000; k++) {
    const m = k >> 1;
    const numerator =
      k % 2 === 0
        ? (m * (b - m) * x) / ((a + k - 1) * (a + k))
        : (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + numerator * d);
    c = 1 + numerator / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front / fraction;
}

/** ln B(a, b). */
const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b);

/** ln Gamma(x) for x > 0: Stirling's series, https://dlmf.nist.gov/5.11#E1, after x is raised above 10. */
function logGamma(x: number): number {
  let product = 1;
  let z = x;
  for (; z < 10; z++) product *= z;
  const series = 1 / (12 * z) - 1 / (360 * z ** 3) + 1 / (1260 * z ** 5) - 1 / (1680 * z ** 7);
  return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series - Math.log(product);
}
