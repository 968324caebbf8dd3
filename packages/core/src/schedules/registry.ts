import { requireFields } from '../checks.js';
import { cosineSchedule, type CosineOptions } from './cosine.js';
import { type BetaRange, linearSchedule } from './linear.js';
import type { NoiseSchedule } from './schedule.js';

/** A schedule as plain data, for a configuration file. */
export type ScheduleConfig = ({ readonly name: 'linear' } & BetaRange) | ({ readonly name: 'cosine' } & CosineOptions);

export type ScheduleName = ScheduleConfig['name'];

/** Every named schedule, with the options that it knows. */
export const schedules: Readonly<
  Record<ScheduleName, { readonly options: readonly string[]; readonly create: (options: object) => NoiseSchedule }>
> = {
  linear: { options: ['numTimesteps', 'betaStart', 'betaEnd'], create: linearSchedule },
  cosine: { options: ['numTimesteps', 'offset', 'maxBeta'], create: cosineSchedule },
};

/** Throws a RangeError on an unknown name or option, naming the known ones, and on an option out of its range. */
export function noiseSchedule(config: ScheduleConfig): NoiseSchedule {
  const { name, ...options } = config;
  if (!Object.hasOwn(schedules, name)) {
    throw new RangeError(`no noise schedule "${name}"; there are ${Object.keys(schedules).join(', ')}`);
  }
  requireFields(`noise schedule "${name}"`, options, schedules[name].options);
  return schedules[name].create(options);
}
