import { summarizeDensity } from '@dm/curriculum';
import { explainPart } from '../config/resolve.js';
import type { Config } from '../config/schema.js';
import type { DensityOverTraining } from '../plot/density-plot.js';
import { curriculumOf } from '../setup/training-setup.js';
import { adaptiveError } from './tables.js';

const quantiles = [0.05, 0.25, 0.5, 0.75, 0.95];

/** Number of steps that are shown, evenly spaced, with the first and the last. */
const mostMoments = 21;

/**
 * Summarizes the timestep schedule of a configuration at up to 21 steps of the run.
 *
 * @throws {UserError} if the schedule adapts to losses, or an option is invalid
 */
export function densityOverTraining(config: Config): DensityOverTraining {
  const { curriculum, totalSteps } = config;
  const schedule = explainPart('curriculum', config, () => curriculumOf(config));
  if (schedule.mixture === undefined) throw adaptiveError(curriculum.type);
  const count = Math.min(mostMoments, totalSteps);
  const steps = Array.from({ length: count }, (_, i) => Math.round((i * (totalSteps - 1)) / Math.max(1, count - 1)));
  return {
    curriculum,
    numTimesteps: schedule.numTimesteps,
    totalSteps,
    quantiles,
    moments: steps.map((step) => summarizeDensity(schedule, step, quantiles)),
  };
}
