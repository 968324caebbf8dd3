import { prefixFold, type StepSchedule } from './step-schedule.js';

/**
 * 1 - beta_0 beta_1 ... beta_step: what an average that began at zero must be divided by when beta changes from step to
 * step. After m_k = beta_k m_(k-1) + (1 - beta_k) g_k from m_(-1) = 0 the coefficients of all gradients add up to
 * exactly this number, so the corrected average of a constant gradient is that gradient. With a constant beta it is
 * Adam's 1 - beta^(step + 1); with a changing one, 1 - beta_step^(step + 1) would be wrong.
 */
export function biasCorrection(beta: StepSchedule): StepSchedule {
  const product = prefixFold(1, (soFar, step) => soFar * beta(step));
  return (step) => 1 - product(step);
}
