/** Uniform numbers in [0, 1) with 32 random bits each, by the generator mulberry32. */
export function uniforms(count: number, seed: number): Float64Array {
  let state = seed >>> 0;
  const values = new Float64Array(count);
  for (let n = 0; n < count; n++) {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    values[n] = ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  }
  return values;
}

/**
 * Pearson's chi-square statistic of drawn timesteps, converted to a standard normal score by the Wilson-Hilferty
 * approximation (https://doi.org/10.1073/pnas.17.12.684). Adjacent bins are merged until each has an expected count of
 * at least 5. Infinity if a timestep of probability 0 was drawn.
 */
export function chiSquareScore(timesteps: Int32Array, probabilities: Float64Array): number {
  const counts = new Float64Array(probabilities.length);
  for (const t of timesteps) counts[t]! += 1;
  let chiSquare = 0;
  let bins = 0;
  let expected = 0;
  let observed = 0;
  let restExpected = timesteps.length;
  for (let t = 0; t < counts.length; t++) {
    if (probabilities[t] === 0 && counts[t]! > 0) return Infinity;
    const share = probabilities[t]! * timesteps.length;
    expected += share;
    observed += counts[t]!;
    restExpected -= share;
    // A rest with an expected count below 5 is merged into the last bin.
    if ((expected >= 5 && restExpected >= 5) || t === counts.length - 1) {
      if (expected > 0) {
        chiSquare += (observed - expected) ** 2 / expected;
        bins++;
      }
      expected = 0;
      observed = 0;
    }
  }
  const df = bins - 1;
  if (df === 0) return 0;
  const spread = 2 / (9 * df);
  return (Math.cbrt(chiSquare / df) - (1 - spread)) / Math.sqrt(spread);
}

/** alphasCumprod of DDPM's linear schedule: betas from 1e-4 to 0.02. */
export function linearAlphasCumprod(numTimesteps = 1000): Float64Array {
  let product = 1;
  return Float64Array.from(
    { length: numTimesteps },
    (_, t) => (product *= 1 - (1e-4 + ((0.02 - 1e-4) * t) / (numTimesteps - 1))),
  );
}

/** alphasCumprod with evenly spaced ln sigma, sigma^2 = (1 - abar) / abar. */
export function wideAlphasCumprod(numTimesteps: number, lnSigmaMin: number, lnSigmaMax: number): Float64Array {
  return Float64Array.from({ length: numTimesteps }, (_, t) => {
    const lnSigma = lnSigmaMin + ((lnSigmaMax - lnSigmaMin) * (t + 0.5)) / numTimesteps;
    return 1 / (1 + Math.exp(2 * lnSigma));
  });
}

/** alphasCumprod of the cosine schedule (largest beta 0.999), Nichol & Dhariwal 2021, arXiv:2102.09672. */
export function cosineAlphasCumprod(numTimesteps = 1000): Float64Array {
  let product = 1;
  return Float64Array.from(
    { length: numTimesteps },
    (_, t) =>
      (product *= 1 - Math.min(0.999, 1 - squaredCosine((t + 1) / numTimesteps) / squaredCosine(t / numTimesteps))),
  );
}

function squaredCosine(x: number): number {
  return Math.cos((((x + 0.008) / 1.008) * Math.PI) / 2) ** 2;
}
