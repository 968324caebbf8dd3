import { totalmem } from 'node:os';

/** Bytes of memory that this process may use: the machine's, or less in a container with a limit. */
export function availableMemory(): number {
  const constrained = process.constrainedMemory(); // 0 if unknown, and huge without a limit
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
