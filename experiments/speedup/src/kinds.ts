/** The two kinds of trials: a training, and a measurement of step times. */
import type { StageResults, Trial, TrialResult } from '@dm/experiments';
import type { ClockResult, ClockTrial } from './clock.js';

export type SpeedupTrial = Trial | ClockTrial;
export type SpeedupResult = TrialResult | ClockResult;

export const isClockTrial = (trial: SpeedupTrial): trial is ClockTrial => trial.stage === 'clock';
export const isClockResult = (result: SpeedupResult): result is ClockResult => 'stepMs' in result;

export function trainingsOf(results: StageResults<SpeedupResult>): StageResults {
  return new Map(
    [...results].map(([name, all]) => [name, all.flatMap((result) => (isClockResult(result) ? [] : [result]))]),
  );
}
