/** The two kinds of trials: training, and measuring step times. */
import type { StageResults, StepTimeResult, StepTimeTrial, Trial, TrialResult } from '@dm/experiments';

export type SpeedupTrial = Trial | StepTimeTrial;
export type SpeedupResult = TrialResult | StepTimeResult;

export const isStepTimeTrial = (trial: SpeedupTrial): trial is StepTimeTrial => trial.stage === 'clock';
export const isStepTimeResult = (result: SpeedupResult): result is StepTimeResult => 'stepMs' in result;

export function trainingResults(results: StageResults<SpeedupResult>): StageResults {
  return new Map(
    [...results].map(([name, all]) => [name, all.flatMap((result) => (isStepTimeResult(result) ? [] : [result]))]),
  );
}
