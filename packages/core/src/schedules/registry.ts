import { checkOptions } from '@dm/ops';
import { cosineSchedule, type CosineOptions } from './cosine.js';
import { type BetaRange, linearSchedule } from './linear.js';
import { scaledLinearSchedule } from './scaled-linear.js';
import { type NoiseSchedule, scheduleFromBetas } from './schedule.js';
import { sigmoidSchedule } from './sigmoid.js';
import { rescaleZeroTerminalSnr } from './zero-terminal-snr.js';

/** A schedule as plain data, for a configuration file. */
export type NoiseScheduleConfig = (
  | ({ readonly name: 'linear' } & BetaRange)
  | ({ readonly name: 'scaled-linear' } & BetaRange)
  | ({ readonly name: 'cosine' } & CosineOptions)
  | ({ readonly name: 'sigmoid' } & BetaRange)
  | { readonly name: 'betas'; readonly betas: readonly number[] }
) & {
  /** Apply `rescaleZeroTerminalSnr`, so that the last timestep is pure noise. Default false. */
  readonly zeroTerminalSnr?: boolean;
};

export type NoiseScheduleName = NoiseScheduleConfig['name'];

/** All schedules by name, with the names of their options. */
export const noiseSchedules: Readonly<
  Record<
    NoiseScheduleName,
    { readonly options: readonly string[]; readonly create: (options: object) => NoiseSchedule }
  >
> = {
  linear: { options: ['numTimesteps', 'betaStart', 'betaEnd'], create: linearSchedule },
  'scaled-linear': { options: ['numTimesteps', 'betaStart', 'betaEnd'], create: scaledLinearSchedule },
  cosine: { options: ['numTimesteps', 'offset', 'maxBeta'], create: cosineSchedule },
  sigmoid: { options: ['numTimesteps', 'betaStart', 'betaEnd'], create: sigmoidSchedule },
  betas: {
    options: ['betas'],
    create: (options: { readonly betas?: readonly number[] }) => scheduleFromBetas(options.betas ?? []),
  },
};

/**
 * Creates a noise schedule from its configuration.
 * @throws {RangeError} if the name or an option is unknown (the message lists the known ones), or a value is out of
 * range
 */
export function noiseScheduleFromConfig(config: NoiseScheduleConfig): NoiseSchedule {
  const { name, zeroTerminalSnr = false, ...options } = config;
  if (!Object.hasOwn(noiseSchedules, name)) {
    throw new RangeError(`unknown noise schedule "${name}"; known: ${Object.keys(noiseSchedules).join(', ')}`);
  }
  checkOptions(`noise schedule "${name}"`, options, noiseSchedules[name].options);
  const schedule = noiseSchedules[name].create(options);
  return zeroTerminalSnr ? rescaleZeroTerminalSnr(schedule) : schedule;
}
