/** The conclusion of an experiment: verdict, sentences, tables, figures. */
import type { Figure } from './figure.js';
import type { Picture } from './picture.js';

/** A table; numbers in cells are already formatted. */
export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What the results say about the claim. */
export interface Conclusion {
  /** Absent if the result is not a yes or no: the sentences then state it in numbers. */
  readonly verdict?: 'holds' | 'does not hold' | 'depends' | 'open';
  /** The number to quote in the summary of all experiments, with its name. Default: the first sentence. */
  readonly key?: string;
  /** Sentences with numbers. The first one must be correct and sufficient on its own. */
  readonly sentences: readonly string[];
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  /** Rows of images. */
  readonly pictures?: readonly Picture[];
  /** The numbers of the tables in machine-readable form, not rounded. */
  readonly numbers: Readonly<Record<string, unknown>>;
}
