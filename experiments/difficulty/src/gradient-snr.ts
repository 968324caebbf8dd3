/**
 * Signal-to-noise ratio of a batch's gradient: |E g|^2 / E|g - E g|^2, estimated from the gradients g_k of K independent
 * batches. The noise is the sample variance s^2, summed over the parameters; the signal is |mean of g_k|^2 - s^2 / K,
 * which is unbiased and can be negative if there is almost no signal.
 * @throws {RangeError} if there are fewer than two gradients
 */
export function gradientSnr(gradients: readonly ArrayLike<number>[]): number {
  const count = gradients.length;
  if (count < 2) throw new RangeError(`gradientSnr: needs at least 2 gradients, got ${count}.`);
  let square = 0;
  let noise = 0;
  for (let i = 0; i < gradients[0]!.length; i++) {
    const mean = gradients.reduce((sum, gradient) => sum + gradient[i]!, 0) / count;
    square += mean ** 2;
    noise += gradients.reduce((sum, gradient) => sum + (gradient[i]! - mean) ** 2, 0) / (count - 1);
  }
  return (square - noise / count) / noise;
}
