/** A combination of optimizer options that differs from recipes of other programs. */
import type { Config } from '../config/schema.js';

/** A note if both the schedule and the compensation of momentum decay lower the learning rate. */
export function decayNote({ lrSchedule, momentumDecay, betas }: Config['optimizer']): string | undefined {
  if (lrSchedule.type === 'constant' || momentumDecay?.compensate !== true || betas[0] === 0) return undefined;
  return (
    `the learning rate decays twice, by the schedule "${lrSchedule.type}" and by the compensation of momentum decay: add ` +
    '--no-momentum-decay for the schedule alone, or --lr-schedule constant for the compensation alone'
  );
}
