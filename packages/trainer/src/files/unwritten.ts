/** Collects failed writes of logs, samples and reports, which must not end training. */
import { messageOf } from '../errors.js';

export class Unwritten {
  /** Missing parts by file or kind of file. */
  private readonly missing = new Map<string, Set<string>>();
  private readonly warned = new Set<string>();

  constructor(private readonly onNote?: (text: string) => void) {}

  /** Calls `write`, which writes `part` of `what`. Returns whether it succeeded; a failure is reported, not thrown. */
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

  /** Warns, once per `what`, that it cannot be written. */
  warn(what: string, error: unknown): void {
    if (this.warned.has(what)) return;
    this.warned.add(what);
    this.onNote?.(`warning: ${what} cannot be written; training continues: ${messageOf(error)}`);
  }

  /** Records that `part` of `what` could not be written. */
  add(what: string, part: string): void {
    const parts = this.missing.get(what) ?? new Set();
    this.missing.set(what, parts.add(part));
  }

  /** One message per file or kind of file: `metrics.jsonl (step 20, step 40)`. */
  list(): string[] {
    return [...this.missing].map(([what, parts]) => `${what} (${listed([...parts])})`);
  }
}

const maxListed = 5;

function listed(parts: readonly string[]): string {
  if (parts.length <= maxListed) return parts.join(', ');
  return `${parts.slice(0, maxListed - 1).join(', ')} and ${parts.length - maxListed + 1} more, the last ${parts.at(-1)}`;
}
