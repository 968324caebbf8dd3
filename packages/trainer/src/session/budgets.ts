import type { Config } from '../config/schema.js';

/** The budget that a session has reached after `steps` steps in `seconds` seconds; undefined if none. */
export function reachedBudget(
  { budgets, batchSize }: Pick<Config, 'budgets' | 'batchSize'>,
  steps: number,
  seconds: number,
): 'timeBudget' | 'stepBudget' | 'imageBudget' | undefined {
  if (budgets.seconds !== null && seconds >= budgets.seconds) return 'timeBudget';
  if (budgets.steps !== null && steps >= budgets.steps) return 'stepBudget';
  if (budgets.images !== null && steps * batchSize >= budgets.images) return 'imageBudget';
  return undefined;
}
