import { checkChoice } from './checks.js';
import { contextValue, withGradientsIn } from './on-tape.js';

/**
 * Types in which products can be computed: `f16` (IEEE binary16) and `bf16` (bfloat16) on a device that has them, and
 * `f16-emulated` and `bf16-emulated` on the CPU too: operands and result are rounded to the type, and computed in
 * float32.
 */
export const precisions = ['f32', 'f16', 'bf16', 'f16-emulated', 'bf16-emulated'] as const;

export type Precision = (typeof precisions)[number];

const active = contextValue<Precision>('f32');

/**
 * Runs `body` with mixed precision (similar to `torch.autocast`) and returns its result. Matrix products, convolutions,
 * and attention recorded in it, and their gradients, round their operands to `precision`, compute in it, and return
 * float32. All other ops compute in float32, including sums, norms, and softmax. In nested calls the innermost applies;
 * `f32` turns it off. Only programs that `@dm/jit` compiles are affected: eager engines compute in float32.
 * @throws {RangeError} if `precision` is unknown
 */
export function autocast<T>(precision: Precision, body: () => T): T {
  checkChoice('autocast: precision', precision, precisions);
  const enter = active.enter(precision);
  return withGradientsIn(enter, enter, body);
}

/** The precision of the innermost `autocast`; `f32` outside any. */
export const currentPrecision = (): Precision => active.current();
