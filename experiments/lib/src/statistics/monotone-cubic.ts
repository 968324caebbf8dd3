/**
 * Piecewise cubic interpolation that is monotone between points that are (PCHIP: Fritsch & Butland 1984; slopes at the
 * ends by the three-point formula of Moler, Numerical Computing with MATLAB, 3.6). `x` increases strictly.
 *
 * @throws {RangeError} if there are fewer than two points
 */
export function monotoneCubic(x: readonly number[], y: readonly number[]): (at: number) => number {
  if (x.length < 2 || x.length !== y.length) throw new RangeError(`Cannot interpolate ${x.length} points.`);
  const widths = x.slice(1).map((value, i) => value - x[i]!);
  const secants = widths.map((width, i) => (y[i + 1]! - y[i]!) / width);
  const slopes = x.map((_, i) => {
    if (i === 0) return endSlope(widths, secants);
    if (i === x.length - 1) return endSlope(widths.toReversed(), secants.toReversed());
    const [before, after] = [secants[i - 1]!, secants[i]!];
    if (before * after <= 0) return 0;
    const [w1, w2] = [2 * widths[i]! + widths[i - 1]!, widths[i]! + 2 * widths[i - 1]!];
    return (w1 + w2) / (w1 / before + w2 / after);
  });
  return (at) => {
    const k = Math.min(
      Math.max(
        0,
        x.findLastIndex((value) => value <= at),
      ),
      widths.length - 1,
    );
    const h = widths[k]!;
    const s = (at - x[k]!) / h;
    const rest = 1 - s;
    return (
      y[k]! * rest ** 2 * (1 + 2 * s) +
      y[k + 1]! * s ** 2 * (3 - 2 * s) +
      h * s * rest * (slopes[k]! * rest - slopes[k + 1]! * s)
    );
  };
}

function endSlope([w0, w1]: readonly number[], [s0, s1]: readonly number[]): number {
  if (w1 === undefined || s1 === undefined) return s0!;
  const slope = ((2 * w0! + w1) * s0! - w0! * s1) / (w0! + w1);
  if (slope * s0! <= 0) return 0;
  return s0! * s1 <= 0 && Math.abs(slope) > 3 * Math.abs(s0!) ? 3 * s0! : slope;
}
