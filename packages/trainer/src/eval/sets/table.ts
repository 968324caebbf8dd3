/** Human-readable tables of results. */
import type { Evaluation } from '@dm/eval';

/** Formats rows of cells as lines with aligned columns, the first to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** An evaluation as lines: the sets, the extractor, the values, and notes about them. */
export function evaluationLines(evaluation: Evaluation): string[] {
  const { generated, reference, extractor, comparable, results, warnings } = evaluation;
  const set = (what: string, { name, count, shape }: Evaluation['generated']) =>
    `${what.padEnd(11)}${name}: ${count} images of ${shape.join('x')}`;
  const rows = results.map(({ label, value, std, better }) => [
    label,
    digits(value),
    std === undefined ? '' : `± ${digits(std)}`,
    `${better} is better`,
  ]);
  return [
    set('generated', generated),
    set('reference', reference),
    `features   ${extractor.name}, ${extractor.dimensions} numbers, resize ${extractor.resize}, weights ${extractor.weightsSha256.slice(0, 16)}`,
    '',
    ...aligned(rows),
    '',
    comparable,
    ...warnings.map((warning) => `note: ${warning}`),
  ];
}

/** Five significant digits, without an exponent if that is short enough. */
export function digits(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}
