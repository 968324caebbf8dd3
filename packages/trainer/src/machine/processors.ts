import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * The processors that this process may use, as the system lists them (`0-3,8`); outside Linux their number. Equal texts in
 * processes of one host mean that they share them.
 */
export function allowedProcessors(): string {
  try {
    const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    if (list !== undefined) return list;
  } catch {
    // Not Linux, or a sandbox without /proc.
  }
  return String(availableParallelism());
}
