/** The numbers of the live figures, from the packages. Loaded in the page only, so that other pages stay small. */
import { cosineSchedule, linearSchedule, logSnrs, normalBatch, sigmoidSchedule, type NoiseSchedule } from '@dm/core';
import { clts } from '@dm/curriculum';
import { momentumDecay } from '@dm/optim';

/** A line of a plot: y over x, both of the same length. */
export interface Line {
  readonly name: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
}

const numTimesteps = 1000;
export const totalSteps = 1000;

const schedules: Readonly<Record<string, NoiseSchedule>> = {
  linear: linearSchedule(),
  cosine: cosineSchedule(),
  sigmoid: sigmoidSchedule(),
};
export const scheduleNames = Object.keys(schedules);

/** ln SNR by timestep, one line per noise schedule. */
export function logSnrLines(): Line[] {
  const x = Array.from({ length: numTimesteps }, (_, t) => t);
  return Object.entries(schedules).map(([name, schedule]) => ({ name, x, y: [...logSnrs(schedule)] }));
}

/** Amplitudes of image and noise, and ln SNR, at a timestep. */
export function levelOf(name: string, t: number): { alpha: number; sigma: number; logSnr: number } {
  const abar = schedules[name]!.alphasCumprod[t]!;
  return { alpha: Math.sqrt(abar), sigma: Math.sqrt(1 - abar), logSnr: Math.log(abar / (1 - abar)) };
}

/** The density of CLTS at an optimizer step, relative to uniform (1), and uniform itself. */
export function cltsLines(step: number): Line[] {
  const density = clts({ numTimesteps, totalSteps }).density(step);
  const x = Array.from({ length: numTimesteps }, (_, t) => t);
  return [
    { name: 'CLTS', x, y: Array.from(density, (p) => p * numTimesteps) },
    { name: 'uniform', x, y: x.map(() => 1) },
  ];
}

/** The fraction of draws with a timestep of at least 500 at an optimizer step. */
export function noisyShare(step: number): number {
  const density = clts({ numTimesteps, totalSteps }).density(step);
  return density.subarray(numTimesteps / 2).reduce((sum, p) => sum + p, 0);
}

/** Momentum, and learning rate relative to its start, with compensation (MDLRC) and without (Demon), over training. */
export function momentumLines(b0: number): Line[] {
  const x = Array.from({ length: 201 }, (_, i) => (totalSteps * i) / 200);
  const { lr, beta1 } = momentumDecay({ lr: 1, totalSteps, b0 });
  const demon = momentumDecay({ lr: 1, totalSteps, b0, compensate: false });
  return [
    { name: 'momentum', x, y: x.map(beta1) },
    { name: 'learning rate, MDLRC', x, y: x.map(lr) },
    { name: 'learning rate, Demon alone', x, y: x.map(demon.lr) },
  ];
}

export const side = 32;

/** Gray levels in [-1, 1] of a small picture of a face, [side * side]. */
export function picture(): Float64Array {
  return Float64Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [((i % side) + 0.5) / side - 0.5, (Math.floor(i / side) + 0.5) / side - 0.5];
    const isEye = Math.hypot(Math.abs(x) - 0.15, y + 0.1) < 0.06;
    const isMouth = y > 0.06 && Math.abs(Math.hypot(x, y - 0.02) - 0.2) < 0.035;
    return Math.hypot(x, y) < 0.42 && !isEye && !isMouth ? 0.9 : -0.8;
  });
}

/** The picture with noise, x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, always with the same noise: [side * side]. */
export function noisyPicture(name: string, t: number): Float64Array {
  const { alpha, sigma } = levelOf(name, t);
  const { data } = normalBatch({ seed: 0, stream: 'noise', step: 0, indices: [0] }, [side, side, 1]);
  return picture().map((x, i) => alpha * x + sigma * data[i]!);
}
