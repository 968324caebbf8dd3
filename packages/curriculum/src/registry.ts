import { beta } from './beta.js';
import { cltsCorrected, cltsLogSnr, cltsReversed, cltsTimeAverage } from './clts-twins.js';
import { clts } from './clts.js';
import type { ScheduleContext } from './context.js';
import { difficultyCurriculum } from './difficulty-curriculum.js';
import { edm, edm2 } from './edm.js';
import { laplace } from './laplace.js';
import { lossSecondMoment } from './loss-second-moment.js';
import type { TimestepSchedule } from './schedule.js';
import { cosmap, logitNormal, mode } from './sd3.js';
import { speed } from './speed.js';
import { uniform } from './uniform.js';

/** Every schedule by name. A new schedule is one file and one line here. */
export const schedules = {
  uniform,
  clts,
  cltsReversed,
  cltsTimeAverage,
  cltsCorrected,
  cltsLogSnr,
  lossSecondMoment,
  difficultyCurriculum,
  edm,
  edm2,
  laplace,
  logitNormal,
  mode,
  cosmap,
  speed,
  beta,
} as const;

export type ScheduleName = keyof typeof schedules;
/** The options that the named schedule takes. */
export type ScheduleOptions<N extends ScheduleName> = NonNullable<Parameters<(typeof schedules)[N]>[1]>;

export const scheduleNames = Object.keys(schedules) as readonly ScheduleName[];

/** Makes a schedule by name, as a configuration file does. Throws on an unknown name, option or impossible value. */
export function createSchedule<N extends ScheduleName>(
  name: N,
  context: ScheduleContext,
  options?: ScheduleOptions<N>,
): TimestepSchedule {
  if (!Object.hasOwn(schedules, name)) {
    throw new Error(`unknown timestep schedule ${JSON.stringify(name)}; there are ${scheduleNames.join(', ')}`);
  }
  const factory = schedules[name] as (c: ScheduleContext, o?: ScheduleOptions<N>) => TimestepSchedule;
  return factory(context, options);
}
