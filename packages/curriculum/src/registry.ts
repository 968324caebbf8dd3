import { clts } from './clts.js';
import type { ScheduleContext } from './context.js';
import type { TimestepSchedule } from './schedule.js';
import { uniform } from './uniform.js';

/** Every schedule by name. A new schedule is one file and one line here. */
export const schedules = {
  uniform,
  clts,
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
