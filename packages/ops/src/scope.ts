import { contextValue, withGradientsIn } from './on-tape.js';

const names = contextValue('');

/**
 * Runs `body` in a named scope (similar to `jax.named_scope`) and returns its result. Kernels recorded in it get the
 * name, and the kernels of their gradients get `gradient of <name>`. In nested scopes the innermost name applies.
 */
export function scope<T>(name: string, body: () => T): T {
  return withGradientsIn(names.enter(name), names.enter(`gradient of ${name}`), body);
}

/** Name of the innermost active scope; '' outside any scope. */
export const currentScope = (): string => names.current();
