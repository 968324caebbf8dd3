/** The noise levels of a configuration: a discrete schedule, rectified flow, or EDM, both in continuous time. */
import {
  edmLevel,
  edmRange,
  flowLevel,
  type NoiseLevel,
  noiseLevels,
  type NoiseSchedule,
  levelAt,
  scheduleFromBetas,
  shiftFlowTime,
  timestepOfLogSnr,
} from '@dm/core';
import type { ContinuousLevels, TimestepSample } from '@dm/curriculum';
import type { Config } from '../config/schema.js';

type Diffusion = Config['diffusion'];
type ScheduleOf<T> = Extract<Diffusion['schedule'], { readonly type: T }>;

/** Noise levels in continuous time, by a coordinate: the flow time before the shift, or ln sigma. */
export interface ContinuousProcess {
  /** The coordinate, and the range of it that the cells of curricula and logs divide. */
  readonly levels: ContinuousLevels;
  levelAt(this: void, position: number): NoiseLevel;
  levelOfLogSnr(this: void, logSnr: number): NoiseLevel;
}

/** A noise schedule, and the process in continuous time that its timesteps are cells of, if there is one. */
export interface NoiseProcess {
  /**
   * Timesteps; in continuous time, cells in the order of their noise, with the signal-to-noise ratios of their centers.
   */
  readonly noiseSchedule: NoiseSchedule;
  readonly continuous?: ContinuousProcess;
}

/** The process of a configuration in continuous time; undefined for a discrete schedule. */
export function continuousProcess({ schedule }: Diffusion): ContinuousProcess | undefined {
  switch (schedule.type) {
    case 'flow':
      return flowProcess(schedule);
    case 'edm':
      return edmProcess(schedule);
    default:
      return undefined;
  }
}

function flowProcess({ shift = 1, timeScale = 1000 }: ScheduleOf<'flow'>): ContinuousProcess {
  // Without the ends themselves: s = 0 has no noise to predict, and s = 1 has no image.
  const inside = (s: number): number => Math.min(1 - 2 ** -53, Math.max(2 ** -53, s));
  return {
    levels: { coordinate: 'flowTime', min: 0, max: 1 },
    levelAt: (position) => flowLevel(inside(shiftFlowTime(position, shift)), timeScale),
    levelOfLogSnr: (logSnr) => flowLevel(inside(1 / (1 + Math.exp(logSnr / 2))), timeScale),
  };
}

function edmProcess({
  sigmaMin = edmRange.sigmaMin,
  sigmaMax = edmRange.sigmaMax,
}: ScheduleOf<'edm'>): ContinuousProcess {
  return {
    levels: { coordinate: 'lnSigma', min: Math.log(sigmaMin), max: Math.log(sigmaMax) },
    levelAt: (position) => edmLevel(Math.exp(position)),
    levelOfLogSnr: (logSnr) => edmLevel(Math.exp(-logSnr / 2)),
  };
}

/** The cells of a process, as the schedule with the signal-to-noise ratios of their centers. */
export function cellSchedule(process: ContinuousProcess, name: string, numTimesteps: number): NoiseSchedule {
  let before = 1;
  const betas = Float64Array.from({ length: numTimesteps }, (_, t) => {
    const { alpha, sigma } = process.levelAt(centerOf(process, numTimesteps, t));
    const abar = alpha ** 2 / (alpha ** 2 + sigma ** 2);
    const beta = 1 - abar / before;
    before = abar;
    return beta;
  });
  return scheduleFromBetas(betas, name);
}

function centerOf({ levels: { min, max } }: ContinuousProcess, numTimesteps: number, t: number): number {
  return min + ((max - min) * (t + 0.5)) / numTimesteps;
}

/** The noise level of each timestep, or of the center of each cell. */
export function timestepLevels(
  { noiseSchedule, continuous }: NoiseProcess,
  timesteps: ArrayLike<number>,
): NoiseLevel[] {
  if (continuous === undefined) return noiseLevels(noiseSchedule, timesteps);
  return Array.from(timesteps, (t) => continuous.levelAt(centerOf(continuous, noiseSchedule.numTimesteps, t)));
}

/** The noise levels that a curriculum drew. */
export function sampledLevels(process: NoiseProcess, { timesteps, positions }: TimestepSample): NoiseLevel[] {
  const { continuous, noiseSchedule } = process;
  if (continuous === undefined) return noiseLevels(noiseSchedule, timesteps);
  return positions === undefined ? timestepLevels(process, timesteps) : Array.from(positions, continuous.levelAt);
}

/** The noise level with this log-SNR, at a fractional timestep for a discrete schedule. */
export function levelOfLogSnr({ noiseSchedule, continuous }: NoiseProcess, logSnr: number): NoiseLevel {
  return continuous?.levelOfLogSnr(logSnr) ?? levelAt(noiseSchedule, timestepOfLogSnr(noiseSchedule, logSnr));
}
