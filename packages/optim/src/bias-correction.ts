import type { StepSchedule } from './step-schedule.js';

/**
 * 1 - beta_0 beta_1 ... beta_step: what an average that began at zero must be divided by when beta changes from step to
 * step. After m_k = beta_k m_(k-1) + (1 - beta_k) g_k from m_(-1) = 0 the coefficients of all gradients add up to
 * exactly this number, so the corrected average of a constant gradient is that gradient. With a constant beta it is
 * Adam's 1 - beta^(step + 1).
 *
 * The product is a function of the step number alone (prefix products, grown as needed), so a resumed run has the
 * values of an unbroken one to the last bit. Memory: 8 bytes a step.
 */
export function biasCorrection(beta: StepSchedule): StepSchedule {
  const products: number[] = [];
  return (step) => {
    for (let k = products.length; k <= step; k++) products.push((products[k - 1] ?? 1) * beta(k));
    return 1 - products[step]!;
  };
}
