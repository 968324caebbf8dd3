/** One Markdown page about all experiments, for reading on a Git host. */
import { dirname, relative } from 'node:path';
import { atomicWriteFile } from '../files/atomic-write.js';
import { escapeText } from '../text/escape.js';
import { escapeMarkdown, markdownAddress, markdownCode, markdownFigure, markdownTable } from './markdown.js';
import {
  readExperiments,
  withoutResults,
  type ExperimentFolder,
  type ExperimentResults,
} from './experiment-results.js';

/**
 * Collects the results of the experiments in `folder` in one page, writes it to `path`, and returns what was read. The
 * page links to the figures and results in place.
 *
 * @throws {UserError} in the cases of `readExperiments`
 */
export function writeExperimentsPage(folder: string, path: string): readonly ExperimentFolder[] {
  const experiments = readExperiments(folder);
  atomicWriteFile(path, experimentsPage(experiments, dirname(path)));
  return experiments;
}

/** The page, with links relative to `home`. It contains no date, so the same results give the same page. */
export function experimentsPage(experiments: readonly ExperimentFolder[], home: string): string {
  const done = experiments.flatMap(({ results }) => results);
  const missing = withoutResults(experiments);
  const blocks = [
    '# Results of the experiments',
    'Each claim of the paper (arXiv:2404.07946) that was measured, with its verdict. `dm report --experiments` generates ' +
      'this page from the committed results. Square brackets contain 95% intervals over seeds.',
    ...sharedNotice(done.map(({ found }) => found)),
    markdownTable(
      ['experiment', 'claim', 'verdict', 'key number'],
      [
        ...done.map(({ found }) => [
          { markdown: `[${escapeMarkdown(title(found))}](#${anchor(title(found))})` },
          found.inShort,
          (found.verdict ?? 'in numbers') + (found.isComplete ? '' : ' (unfinished)'),
          found.key ?? found.sentences[0]!,
        ]),
        ...experiments.flatMap(({ name, pages }) =>
          pages.map(({ configuration, file }) => [
            { markdown: `[${escapeMarkdown(`${name}, ${configuration}`)}](${link(home, file)})` },
            '',
            'see its page',
            '',
          ]),
        ),
        ...missing.map((name) => [name, '', 'no results yet', '']),
      ],
    ),
    ...(missing.length === 0 ? [] : [`Without results: ${missing.map((name) => markdownCode(name)).join(', ')}.`]),
    ...done.flatMap(({ folder, found }) => section(found, link(home, folder))),
  ];
  return `${blocks.join('\n\n')}\n`;
}

/** The sentences that the notices of most results start with; shown at the top of the page as well as in each section. */
function sharedNotice(all: readonly ExperimentResults[]): string[] {
  const notices = all.map(({ notice = '' }) => notice.split(/(?<=\.) /));
  const groups = notices.map(([start]) => notices.filter(([other]) => other === start));
  const [first, ...others] = groups.find(({ length }) => length > notices.length / 2) ?? [];
  const differing = (first ?? []).findIndex((sentence, i) => others.some((sentences) => sentences[i] !== sentence));
  const shared = differing === -1 ? first : first?.slice(0, differing);
  const text = shared?.join(' ') ?? '';
  return text === '' ? [] : [quoted(text)];
}

const quoted = (notice: string): string => `> **Read this first.** ${escapeMarkdown(notice)}`;

const title = ({ experiment, configuration }: ExperimentResults): string => `${experiment}, ${configuration}`;

/** The anchor that Git hosts generate for a heading. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');

/** The first table is shown; others are collapsed, since a screening has dozens of rows. */
function section(found: ExperimentResults, folder: string): string[] {
  const [first, ...others] = found.tables.filter(({ rows }) => rows.length > 0);
  const { machine, seeds, trialMinutes } = found;
  return [
    `## ${escapeMarkdown(title(found))}`,
    ...(found.notice === undefined ? [] : [quoted(found.notice)]),
    `**Claim.** ${escapeMarkdown(found.claim)}`,
    `**Verdict${found.verdict === undefined ? '' : `: ${found.verdict}`}.** ${escapeMarkdown(found.sentences.join(' '))}`,
    ...(found.isComplete ? [] : ['**Unfinished**: these numbers do not include all planned training runs.']),
    ...(first === undefined ? [] : [`### ${escapeMarkdown(first.title)}`, markdownTable(first.columns, first.rows)]),
    ...others.map((one) => {
      const rows = `${one.rows.length} ${one.rows.length === 1 ? 'row' : 'rows'}`;
      return `<details><summary>${escapeMarkdown(one.title)} (${rows})</summary>\n\n${markdownTable(one.columns, one.rows)}\n\n</details>`;
    }),
    ...found.figures.map(({ file, caption }) => markdownFigure(`${folder}/${markdownAddress(file)}`, caption)),
    `Seeds: ${seeds.join(', ')}. ${trialMinutes.toFixed(1)} minutes of total training time on ` +
      `${escapeMarkdown(machine.cpu)} (${machine.cores} cores), Node ${escapeMarkdown(machine.node)}, ` +
      `onnxruntime ${escapeMarkdown(machine.onnxruntime)}. ` +
      `[How it was measured](${folder}/README.md), [the numbers](${folder}/results.json). To reproduce:`,
    `\`\`\`sh\n${escapeText(found.command)}\n\`\`\``,
  ];
}

/** The relative URL of a path, with forward slashes. */
const link = (home: string, path: string): string => markdownAddress(relative(home, path));
