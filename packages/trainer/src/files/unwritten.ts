/** What a training could not write beside its state, which is worth more than that. */
import { messageOf } from '../errors.js';

export class Unwritten {
  /** By file or kind of file. */
  private readonly missing = new Map<string, Set<string>>();
  private readonly warned = new Set<string>();

  constructor(private readonly onNote?: (text: string) => void) {}

  /** Calls `write`, which writes `part` of `what`. Returns whether that went well; if not, training goes on. */
  attempt(what: string, part: string, write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      this.warn(what, error);
      this.add(what, part);
      return false;
    }
  }

  /** Notes, once for each `what`, that it cannot be written. */
  warn(what: string, error: unknown): void {
    if (this.warned.has(what)) return;
    this.warned.add(what);
    this.onNote?.(`warning: ${what} cannot be written, training goes on: ${messageOf(error)}`);
  }

  /** `part` of `what` is missing for good. */
  add(what: string, part: string): void {
    const parts = this.missing.get(what) ?? new Set();
    this.missing.set(what, parts.add(part));
  }

  /** One text for each file or kind of file: `metrics.jsonl (step 20, step 40)`. */
  list(): string[] {
    return [...this.missing].map(([what, parts]) => `${what} (${listed([...parts])})`);
  }
}

const maxListed = 5;

function listed(parts: readonly string[]): string {
  if (parts.length <= maxListed) return parts.join(', ');
  return `${parts.slice(0, maxListed - 1).join(', ')} and ${parts.length - maxListed + 1} more, the last ${parts.at(-1)}`;
}
