import { describe, expect, it } from 'vitest';
import { createTimestepSchedule, timestepScheduleNames, type TimestepScheduleName } from './registry.js';
import type { ScheduleState } from './schedule.js';
import { linearAlphasCumprod } from './testing.js';

const T = 1000;
const totalSteps = 10_000;
const abar = linearAlphasCumprod(T);
const context = { numTimesteps: T, totalSteps, alphasCumprod: abar };
const moments = [0, 2500, 5000, 7500, 9999];
const timesteps = Array.from({ length: T }, (_, t) => t);

const normalized = (masses: number[]): number[] => {
  const total = masses.reduce((a, b) => a + b, 0);
  return masses.map((mass) => mass / total);
};
const logSnr = timesteps.map((t) => Math.log(abar[t]! / (1 - abar[t]!)));
const lnSigma = logSnr.map((l) => -l / 2);
const flowTime = lnSigma.map((l) => 1 / (1 + Math.exp(-l)));

/** CLTS's mixture over a coordinate, for a weight lambda of the Gaussian. */
const mixture = (coordinate: readonly number[], mu: number, sigma: number, lambda: number): number[] =>
  normalized(coordinate.map((c) => Math.exp(-((c - mu) ** 2) / (2 * sigma * sigma)))).map(
    (g) => (1 - lambda) / T + lambda * g,
  );
const plainTime = timesteps.map((t) => t / T);

/** p_t ∝ p(c_t) times the width of t's cell, which ends halfway to its neighbors; the end cells are symmetric. */
const byMass = (c: readonly number[], density: (c: number, t: number) => number): number[] =>
  normalized(
    c.map((here, t) => {
      const gap = (a: number): number => Math.abs((c[a + 1] ?? NaN) - (c[a] ?? NaN)) / 2;
      const [below, above] = [gap(t - 1), gap(t)];
      return density(here, t) * ((Number.isNaN(below) ? above : below) + (Number.isNaN(above) ? below : above));
    }),
  );
const bell = (x: number, mean: number, std: number): number => Math.exp(-0.5 * ((x - mean) / std) ** 2);

/** Mode sampling's density 1 / |f'(u)| at s = f(u); f is decreasing and inverted by bisection. */
function modeDensity(s: number, scale = 1.29): number {
  const slope = (u: number): number => -1 - scale + (scale * Math.PI * Math.sin(Math.PI * u)) / 2;
  let [low, high] = [0, 1];
  for (let i = 0; i < 80; i++) {
    const u = (low + high) / 2;
    if (1 - u - scale * (Math.cos((Math.PI * u) / 2) ** 2 - 1 + u) > s) low = u;
    else high = u;
  }
  return 1 / Math.abs(slope((low + high) / 2));
}

/** The losses passed to stateful schedules: one per timestep and round. */
const shownLoss = (t: number, round: number): number => 0.05 + 1 / (1 + t / 50) + round / 100;

/** The mean of the shown losses in the interval of t, of 50, with decay .99 per loss. */
function runningMean(t: number, rounds: number): number {
  const first = 20 * Math.floor(t / 20);
  let [sum, weight] = [0, 0];
  // The latest loss has the largest weight; older ones than these do not change the mean.
  let factor = 1;
  for (let round = rounds - 1; round >= Math.max(0, rounds - 250); round--) {
    for (let s = first + 19; s >= first; s--) {
      sum += factor * shownLoss(s, round);
      weight += factor;
      factor *= 0.99;
    }
  }
  return sum / weight;
}

/** The closed form of each schedule's density at a step; for stateful schedules, after `rounds` rounds of losses. */
const forms: Readonly<Record<TimestepScheduleName, (step: number, rounds: number, state?: ScheduleState) => number[]>> =
  {
    uniform: () => timesteps.map(() => 1 / T),
    clts: (step) => mixture(plainTime, 0.3, 0.2, (0.8 * step) / totalSteps),
    cltsReversed: (step) => mixture(plainTime, 0.3, 0.2, (0.8 * (totalSteps - 1 - step)) / totalSteps),
    cltsTimeAverage: () => mixture(plainTime, 0.3, 0.2, (0.8 * (totalSteps - 1)) / 2 / totalSteps),
    cltsCorrected: (step) => mixture(plainTime, 0.3, 0.2, (0.8 * step) / totalSteps),
    cltsLogSnr: (step) => mixture(logSnr, 0, 2, (0.8 * step) / totalSteps),
    cltsWide: (step) => mixture(plainTime, 0.3, 0.5, Math.min(1, step / (0.75 * totalSteps))),
    lossSecondMoment: (_step, rounds) => {
      if (rounds < 10) return timesteps.map(() => 1 / T);
      const roots = timesteps.map((t) => {
        const last = Array.from({ length: 10 }, (_, i) => shownLoss(t, rounds - 1 - i) ** 2);
        return Math.sqrt(last.reduce((a, b) => a + b, 0) / 10);
      });
      return normalized(roots).map((p) => 0.999 * p + 0.001 / T);
    },
    difficultyCurriculum: (_step, _rounds, state) => {
      const [stage, clusters] = [(state!['stage'] as Int32Array)[0]!, 20];
      const first = T - (stage * T) / clusters;
      return timesteps.map((t) => (t >= first ? 1 / (T - first) : 0));
    },
    curriculumSampling: (step) =>
      step < 0.6 * totalSteps
        ? byMass(flowTime, (s) => bell(Math.log(s / (1 - s)), 0, 1) / (s * (1 - s)))
        : timesteps.map(() => 1 / T),
    infoNoise: (_step, rounds) => {
      if (rounds === 0) return timesteps.map(() => 1 / T);
      // Of the prediction epsilon, SNR mmse is the loss itself.
      return byMass(logSnr, (_c, t) => runningMean(t, rounds)).map((p) => 0.9 * p + 0.1 / T);
    },
    excessLoss: (_step, rounds) => {
      if (rounds === 0) return timesteps.map(() => 1 / T);
      return normalized(timesteps.map((t) => runningMean(t, rounds))).map((p) => 0.9 * p + 0.1 / T);
    },
    edm: () => byMass(lnSigma, (x) => bell(x, -1.2, 1.2)),
    edm2: () => byMass(lnSigma, (x) => bell(x, -0.4, 1)),
    laplace: () => byMass(logSnr, (x) => Math.exp(-Math.abs(x) / 0.5)),
    logitNormal: () => byMass(flowTime, (s) => bell(Math.log(s / (1 - s)), 0, 1) / (s * (1 - s))),
    mode: () => byMass(flowTime, (s) => modeDensity(s)),
    cosmap: () => byMass(flowTime, (s) => 2 / (Math.PI - 2 * Math.PI * s + 2 * Math.PI * s * s)),
    sigmoid: () => byMass(flowTime, (s) => 1 / (1 + Math.exp(-4 * (s - 0.5)))),
    invertedParabola: () => byMass(flowTime, (s) => 2 - 8 * (s - 0.5) ** 2),
    speed: () => timesteps.map((t) => (t < 700 ? 5 : 1) / (T + 700 * 4)),
    beta: () => timesteps.map((t) => ((t + 1) / T) ** 0.8 - (t / T) ** 0.8),
  };

const tolerance = { rtol: 1e-7, floor: 1e-12 };

describe('the density of each schedule equals its closed form at five steps', () => {
  it.each(timestepScheduleNames)('%s', (name) => {
    const schedule = createTimestepSchedule(name, context);
    moments.forEach((step, i) => {
      const rounds = 250 * i;
      let state = schedule.initialState?.();
      for (let round = 0; state && round < rounds; round++) {
        state = schedule.update!(
          state,
          timesteps,
          timesteps.map((t) => shownLoss(t, round)),
        );
      }
      expect(schedule.density(step, state)).toBeAllClose(forms[name](step, rounds, state), tolerance);
    });
  });

  it.each([
    ['noiseStd', (a: number) => Math.sqrt(1 - a)],
    ['noiseVariance', (a: number) => 1 - a],
  ] as const)('CLTS over %s', (coordinate, of) => {
    const schedule = createTimestepSchedule('clts', context, { coordinate });
    for (const step of moments) {
      const expected = mixture(Array.from(abar, of), 0.3, 0.2, (0.8 * step) / totalSteps);
      expect(schedule.density(step)).toBeAllClose(expected, tolerance);
    }
  });
});

describe('the loss weights of each schedule equal their closed form', () => {
  const u = Float64Array.from({ length: 20_000 }, (_, i) => (i + 0.5) / 20_000);
  const change = timesteps.map((t) => (abar[t - 1] ?? 1) - abar[t]!);
  const [least, most] = [Math.min(...change), Math.max(...change)];

  it.each(timestepScheduleNames)('%s', (name) => {
    const schedule = createTimestepSchedule(name, context);
    let state = schedule.initialState?.();
    for (let round = 0; state && round < 12; round++) {
      state = schedule.update!(
        state,
        timesteps,
        timesteps.map((t) => shownLoss(t, round)),
      );
    }
    for (const step of moments) {
      const p = forms[name](step, 12, state);
      const draw = schedule.sample(step, u, state);
      const weightOf = (t: number): number => {
        if (name === 'cltsCorrected' || name === 'lossSecondMoment') return 1 / (T * p[t]!);
        // SpeeD: the change of 1 - abar, mapped affinely to [0.4, 0.6].
        return name === 'speed' ? 0.4 + (0.2 * (change[t]! - least)) / (most - least) : 1;
      };
      expect(draw.weights).toBeAllClose(Array.from(draw.timesteps, weightOf), { rtol: 1e-6 });
    }
  });
});
