// Writes the table of results/step.json to README.md, between two marker comments. `nx run bench:table`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} CaseResult
 * @property {string} name
 * @property {'training' | 'sampling'} kind
 * @property {number} parameters
 * @property {import('./summary.mjs').Summary} us
 * @property {Record<string, import('./summary.mjs').Summary>} rivals
 * @property {Record<string, string>} skipped
 * @property {Run} run
 */

/** @typedef {{ machine: Record<string, unknown>, versions: Record<string, unknown>, [key: string]: unknown }} Run */
/** @typedef {{ machine: Run['machine'], versions: Run['versions'], cases: CaseResult[] }} Results */

/** @param {number} ms */
export const time = (ms) => (ms < 100 ? ms.toFixed(1) : ms.toFixed(0));

/** Escapes Markdown: the reason in a cell may quote another program's output. @param {string} cell */
const asText = (cell) => cell.replaceAll(/\s+/g, ' ').replaceAll(/[\\|`<[*]/g, String.raw`\$&`);

/** @param {CaseResult} result @returns {string[]} One line per contender. */
function rows({ name, us, rivals, skipped }) {
  const timed = Object.entries({ dm: us, ...rivals }).map(([contender, s]) => {
    const ratio =
      contender === 'dm' ? '' : (us.medianMs / s.medianMs).toPrecision(s.medianMs > 10 * us.medianMs ? 2 : 3);
    const spread = `${time(s.minMs)} / ${time(s.q1Ms)} to ${time(s.q3Ms)}`;
    return [contender, time(s.medianMs), spread, ratio, s.peakMb.toFixed(0), time(s.firstMs)];
  });
  const others = Object.entries(skipped).map(([contender, reason]) => [
    contender,
    '–',
    `skipped: ${reason}`,
    '',
    '',
    '',
  ]);
  return [...timed, ...others].map((cells, i) => `| ${[i === 0 ? name : '', ...cells].map(asText).join(' | ')} |`);
}

/** @param {Results} results */
export function markdownTable({ cases }) {
  const head = ['case', 'contender', 'median ms', 'min / quartiles', 'dm / this', 'peak MiB', 'first call ms'];
  const ours = cases.map(({ name, us, rivals }) => {
    const compiled = us.compileMs === undefined ? [] : [`compiled in ${time(us.compileMs)} ms`];
    const outside = us.javascript === undefined ? [] : [`${(100 * us.javascript).toFixed(2)}% of a call in JavaScript`];
    const busy = Math.max(...[us, ...Object.values(rivals)].map(({ othersBusy = 0 }) => othersBusy));
    const idle = busy > 0.1 ? ' (not an idle machine)' : '';
    const others = `at most ${busy.toFixed(2)} cores used by other programs${idle}`;
    return `- ${name}: ${[...compiled, ...outside, others].join(', ')}.`;
  });
  return [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...cases.flatMap(rows), '', ...ours].join(
    '\n',
  );
}

const marks = ['<!-- table: written by table.mjs -->', '<!-- end of the table -->'];

/** A table in Markdown. @param {readonly string[]} head @param {readonly (readonly string[])[]} body */
export const tableOf = (head, body) =>
  [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Replaces what is between two markers. @param {string} text @param {readonly string[]} markers @param {string} content */
export function withText(text, [first, last], content) {
  const [begin, end] = [first, last].map((mark) => text.indexOf(mark));
  if (begin < 0 || end < begin) throw new Error(`the text does not contain ${first} ... ${last}`);
  return `${text.slice(0, begin + first.length)}\n\n${content}\n\n${text.slice(end)}`;
}

/** Replaces the text between the markers by the table of `results`. @param {string} text @param {Results} results */
export const withTable = (text, results) => withText(text, marks, markdownTable(results));

export function writeTable() {
  const readme = new URL('README.md', import.meta.url);
  const results = JSON.parse(readFileSync(new URL('results/step.json', import.meta.url), 'utf8'));
  writeFileSync(readme, withTable(readFileSync(readme, 'utf8'), results));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeTable();
