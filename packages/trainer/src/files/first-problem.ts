import type { z } from 'zod';

/** The first problem that a schema found, as `field: problem`. */
export function firstProblem({ issues }: z.core.$ZodError): string {
  const [issue] = issues;
  return [issue!.path.join('.'), issue!.message].filter(Boolean).join(': ');
}
