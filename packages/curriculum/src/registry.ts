import { cltsCorrected, cltsLogSnr, cltsReversed, cltsTimeAverage } from './clts-controls.js';
import { clts } from './clts.js';
import type { ScheduleContext } from './context.js';
import {
  betaTimesteps,
  cosmapTimesteps,
  edm2Timesteps,
  edmTimesteps,
  laplaceTimesteps,
  logitNormalTimesteps,
  modeTimesteps,
  uniformTimesteps,
} from './densities.js';
import { difficultyCurriculum } from './difficulty-curriculum.js';
import { lossSecondMoment } from './loss-second-moment.js';
import type { TimestepSchedule } from './schedule.js';
import { speed } from './speed.js';

/** Every schedule by name. To add a schedule, write its factory and add a line here. */
export const timestepSchedules = {
  uniform: uniformTimesteps,
  clts,
  cltsReversed,
  cltsTimeAverage,
  cltsCorrected,
  cltsLogSnr,
  lossSecondMoment,
  difficultyCurriculum,
  edm: edmTimesteps,
  edm2: edm2Timesteps,
  laplace: laplaceTimesteps,
  logitNormal: logitNormalTimesteps,
  mode: modeTimesteps,
  cosmap: cosmapTimesteps,
  speed,
  beta: betaTimesteps,
} as const;

export type TimestepScheduleName = keyof typeof timestepSchedules;
/** The options of the named schedule. */
export type TimestepScheduleOptions<N extends TimestepScheduleName> = NonNullable<
  Parameters<(typeof timestepSchedules)[N]>[1]
>;

export const timestepScheduleNames = Object.keys(timestepSchedules) as readonly TimestepScheduleName[];

/**
 * Creates a schedule by name.
 * @throws {RangeError} if the name or an option is unknown, or a value is out of range
 */
export function createTimestepSchedule<N extends TimestepScheduleName>(
  name: N,
  context: ScheduleContext,
  options?: TimestepScheduleOptions<N>,
): TimestepSchedule {
  if (!Object.hasOwn(timestepSchedules, name)) {
    throw new RangeError(
      `unknown timestep schedule ${JSON.stringify(name)}; must be one of ${timestepScheduleNames.join(', ')}`,
    );
  }
  const factory = timestepSchedules[name] as (c: ScheduleContext, o?: TimestepScheduleOptions<N>) => TimestepSchedule;
  return factory(context, options);
}
