import { prefixFold, type StepSchedule } from './step-schedule.js';

/**
 * The bias correction 1 - beta_0 beta_1 ... beta_step of an average that starts at zero, for a beta that may change
 * from step to step. With m_k = beta_k m_(k-1) + (1 - beta_k) g_k and m_(-1) = 0, the coefficients of all gradients sum
 * to this number, so m_k / biasCorrection(k) of a constant gradient is that gradient. For a constant beta it is Adam's
 * 1 - beta^(step + 1); for a changing beta, 1 - beta_step^(step + 1) would be wrong.
 */
export function biasCorrection(beta: StepSchedule): StepSchedule {
  const product = prefixFold(1, (soFar, step) => soFar * beta(step));
  return (step) => 1 - product(step);
}
