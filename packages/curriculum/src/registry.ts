import {
  cltsCorrected,
  cltsLogSnr,
  cltsLogSnrDefaults,
  cltsReversed,
  cltsTimeAverage,
  cltsWide,
  cltsWideDefaults,
} from './clts-controls.js';
import { clts, cltsDefaults } from './clts.js';
import type { ScheduleContext } from './context.js';
import { adaptiveDefaults } from './adaptive-density.js';
import { curriculumSampling, curriculumSamplingDefaults } from './curriculum-sampling.js';
import { excessLoss, excessLossDefaults } from './excess-loss.js';
import { infoNoise } from './info-noise.js';
import {
  betaDefaults,
  betaTimesteps,
  cosmapTimesteps,
  edm2Defaults,
  edm2Timesteps,
  edmDefaults,
  edmTimesteps,
  invertedParabolaDefaults,
  invertedParabolaTimesteps,
  laplaceDefaults,
  laplaceTimesteps,
  logitNormalDefaults,
  logitNormalTimesteps,
  modeDefaults,
  modeTimesteps,
  sigmoidDefaults,
  sigmoidTimesteps,
  uniformTimesteps,
} from './densities.js';
import { difficultyCurriculum, difficultyCurriculumDefaults } from './difficulty-curriculum.js';
import { lossSecondMoment, lossSecondMomentDefaults } from './loss-second-moment.js';
import type { TimestepSchedule } from './schedule.js';
import { speed, speedDefaults } from './speed.js';

/** Every schedule by name. To add a schedule, write its factory, and add it here and to `timestepScheduleDefaults`. */
export const timestepSchedules = {
  uniform: uniformTimesteps,
  clts,
  cltsReversed,
  cltsTimeAverage,
  cltsCorrected,
  cltsLogSnr,
  cltsWide,
  curriculumSampling,
  lossSecondMoment,
  difficultyCurriculum,
  infoNoise,
  excessLoss,
  edm: edmTimesteps,
  edm2: edm2Timesteps,
  laplace: laplaceTimesteps,
  logitNormal: logitNormalTimesteps,
  mode: modeTimesteps,
  cosmap: cosmapTimesteps,
  sigmoid: sigmoidTimesteps,
  invertedParabola: invertedParabolaTimesteps,
  speed,
  beta: betaTimesteps,
} as const;

export type TimestepScheduleName = keyof typeof timestepSchedules;
/** The options of the named schedule. */
export type TimestepScheduleOptions<N extends TimestepScheduleName> = NonNullable<
  Parameters<(typeof timestepSchedules)[N]>[1]
>;

/** All options of each schedule with their default values. */
export const timestepScheduleDefaults: {
  readonly [N in TimestepScheduleName]: Required<TimestepScheduleOptions<N>>;
} = {
  uniform: {},
  clts: cltsDefaults,
  cltsReversed: cltsDefaults,
  cltsTimeAverage: cltsDefaults,
  cltsCorrected: { ...cltsDefaults, importanceCorrection: true },
  cltsLogSnr: cltsLogSnrDefaults,
  cltsWide: cltsWideDefaults,
  curriculumSampling: curriculumSamplingDefaults,
  lossSecondMoment: lossSecondMomentDefaults,
  difficultyCurriculum: difficultyCurriculumDefaults,
  infoNoise: adaptiveDefaults,
  excessLoss: excessLossDefaults,
  edm: edmDefaults,
  edm2: edm2Defaults,
  laplace: laplaceDefaults,
  logitNormal: logitNormalDefaults,
  mode: modeDefaults,
  cosmap: {},
  sigmoid: sigmoidDefaults,
  invertedParabola: invertedParabolaDefaults,
  speed: speedDefaults,
  beta: betaDefaults,
};

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
