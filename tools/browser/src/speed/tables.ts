/** The tables of results/speed.json in docs/browser.md, between two comments. */
import type { SpeedFile, SpeedResult } from './contenders.js';
import type { Work } from './steps.js';

const [begin, end] = ['<!-- speed: written by nx run browser:speed -->', '<!-- end of speed -->'];

const titles: Readonly<Record<Work, string>> = {
  unet: 'UNet',
  dit: 'DiT',
  block: 'DiT block',
};

const comparisons = [
  ['@dm, wasm', 'TF.js, wasm'],
  ['@dm, wasm', "@dm, Node, `convolutions: 'plain'`"],
  ['@dm, wasm', 'jax-js, wasm'],
] as const;

/** The median of values. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle - 0.5)]! + sorted[Math.ceil(middle - 0.5)]!) / 2;
}

/** Steps per second: the median over all timed steps. */
function speedOf({ ms }: SpeedResult): number | undefined {
  return ms === undefined ? undefined : 1000 / median(ms);
}

/** Speed of one contender relative to another, on as many threads; undefined if one of them has none. */
function ratio(file: SpeedFile, work: Work, name: string, other: string, threads: number): number | undefined {
  const of = (which: string) =>
    file.results.find((one) => one.work === work && one.name === which && one.threads === threads);
  const [a, b] = [of(name), of(other)].map((one) => one && speedOf(one));
  return a === undefined || b === undefined ? undefined : a / b;
}

/**
 * The page with the tables of the results.
 * @throws {RangeError} if the page has no place for them
 */
export function withSpeedTables(page: string, file: SpeedFile): string {
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new RangeError(`docs/browser.md has no place for tables: ${begin}, ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${speedTables(file)}\n\n${page.slice(to)}`;
}

function speedTables(file: SpeedFile): string {
  const works = Object.keys(titles) as Work[];
  const keys = [
    ...new Map(file.results.map(({ name, threads }) => [`${name}|${threads}`, { name, threads }])).values(),
  ];
  const rows = keys.map(({ name, threads }) => [
    name,
    String(threads),
    ...works.map((work) => {
      const result = file.results.find((one) => one.work === work && one.name === name && one.threads === threads);
      if (result === undefined) return '';
      const speed = speedOf(result);
      return speed === undefined ? 'fails' : speed.toPrecision(3);
    }),
  ]);
  const { machine, load, browser, date, rounds, missingGradients } = file;
  const failures = file.results.flatMap(({ work, name, error }) =>
    error === undefined ? [] : [`${name}, ${titles[work]}: \`${error}\``],
  );
  return [
    table([['steps per second', 'threads', ...works.map((work) => titles[work])], ...rows]),
    table([
      ['speed relative to another, medians', 'threads', ...works.map((work) => titles[work])],
      ...comparisons.flatMap(([name, other]) =>
        [1, 2].map((threads) => [
          `${name} / ${other}`,
          String(threads),
          ...works.map((work) => ratio(file, work, name, other, threads)?.toFixed(2) ?? ''),
        ]),
      ),
    ]),
    wrapped(
      `Medians of ${rounds} rounds in turn, in ${browser}, on ${machine}, ${date}. The load average was ` +
        `${load.map((value) => value.toFixed(1)).join(' before and ')} after` +
        (load[0] < 0.5 ? '.' : ': the machine was not idle, so other runs may differ by a factor of two.'),
    ),
    ...(failures.length > 0 ? [wrapped(`Failures: ${failures.join('; ')}.`)] : []),
    wrapped(
      `Gradient kernels that TF.js's \`cpu\` has and \`wasm\` lacks: ${listed(missingGradients['wasm'])}; \`webgl\` lacks ` +
        `${listed(missingGradients['webgl'])}.`,
    ),
  ].join('\n\n');
}

function listed(names: readonly string[] = []): string {
  return names.length === 0 ? 'none' : names.map((name) => `\`${name}\``).join(', ');
}

/** Lines of at most 120 characters, as Prettier wraps prose. */
function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + word.length < 120) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}

/** Cells padded as Prettier pads them. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(3, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  const [head, ...body] = rows as [readonly string[], ...(readonly string[])[]];
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
