import { totalmem } from 'node:os';

/** Memory that this process may use, in bytes: the machine's, or the limit of the container. */
export function availableMemory(): number {
  const constrained = process.constrainedMemory(); // 0 if unknown, and huge without a limit
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
