/** What an experiment concludes: verdict, sentences, tables, figures. */
import type { Figure } from './figure.js';
import type { Picture } from './picture.js';

/** Cells are text, or numbers that the README rounds. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What the numbers say of the claim. */
export interface Conclusion {
  readonly verdict: 'holds' | 'does not hold' | 'depends' | 'open';
  /** The number that a summary of all experiments quotes, with its name; without it the first sentence is quoted. */
  readonly key?: string;
  /** Plain sentences with numbers; the first one alone must be true and enough. */
  readonly sentences: readonly string[];
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  /** Images themselves. */
  readonly pictures?: readonly Picture[];
  /** Numbers for machines: whatever the tables say, unrounded. */
  readonly numbers: Readonly<Record<string, unknown>>;
}
