/** Writes results.json, figures, and README.md for one configuration of an experiment. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { escapeMarkdown, markdownFigure, markdownTable } from '@dm/trainer';
import type { Scale } from '../recipe/sizes.js';
import type { Conclusion, Table } from '../report/conclusion.js';
import { regimeNotice } from '../report/describe.js';
import { writeFigure } from '../report/figure.js';
import { writePicture } from '../report/picture.js';
import type { Experiment } from './experiment.js';
import { writeJson } from './store.js';

/** The trials that were run, at the end or at the time limit. */
export interface RunAccount {
  readonly scale: Scale;
  /** Finished and planned trials per stage; `of` is null if the stage cannot be planned yet. */
  readonly stages: readonly {
    readonly name: string;
    readonly about: string;
    readonly done: number;
    readonly of: number | null;
  }[];
  readonly seeds: readonly number[];
  /** Total wall-clock minutes of training and measuring, summed over trials that run in parallel. */
  readonly trialMinutes: number;
  /** Commits and machines of the runs; empty if they are not known. */
  readonly origin: string;
  readonly machine: Readonly<Record<string, string | number>>;
}

type ExperimentText = Pick<Experiment, 'name' | 'summary' | 'claim' | 'notice' | 'setup'>;

export async function writeResults(
  folder: string,
  experiment: ExperimentText,
  conclusion: Conclusion,
  account: RunAccount,
): Promise<void> {
  const figures = join(folder, 'figures');
  mkdirSync(figures, { recursive: true });
  for (const figure of conclusion.figures) await writeFigure(figures, figure);
  const { name, summary, claim } = experiment;
  const pictures = conclusion.pictures ?? [];
  const notice = noticeOf(experiment, account.scale);
  for (const picture of pictures) await writePicture(figures, picture);
  writeJson(join(folder, 'results.json'), {
    experiment: name,
    configuration: account.scale,
    inShort: summary,
    claim,
    ...(notice !== undefined && { notice }),
    ...(conclusion.verdict !== undefined && { verdict: conclusion.verdict }),
    ...(conclusion.key !== undefined && { key: conclusion.key }),
    sentences: conclusion.sentences,
    isComplete: isComplete(account),
    seeds: account.seeds,
    command: command(name, account.scale),
    machine: account.machine,
    trialMinutes: account.trialMinutes,
    stages: account.stages,
    tables: conclusion.tables,
    figures: [
      ...pictures.map((picture) => ({ file: `figures/${picture.name}.png`, caption: picture.caption })),
      ...conclusion.figures.map((figure) => ({ file: `figures/${figure.name}.svg`, caption: figure.caption })),
    ],
    numbers: conclusion.numbers,
  });
  writeFileSync(join(folder, 'README.md'), readme(experiment, conclusion, account));
}

export function isComplete({ stages }: RunAccount): boolean {
  return stages.every(({ done, of }) => done === of);
}

const command = (name: string, scale: Scale): string =>
  `node_modules/.bin/nx run experiment-${name}:experiment${scale === 'smoke' ? '' : ` -c ${scale}`}`;

function noticeOf({ notice }: ExperimentText, scale: Scale): string | undefined {
  if (typeof notice === 'object') return notice.instead(scale);
  const regime = regimeNotice(scale);
  return regime === undefined || notice === undefined ? regime : `${regime} ${notice}`;
}

function readme(experiment: ExperimentText, conclusion: Conclusion, account: RunAccount): string {
  const { name, claim, setup } = experiment;
  const { scale, stages, seeds, trialMinutes, machine, origin } = account;
  const notice = noticeOf(experiment, scale);
  const parts = stages.map(
    ({ name: stage, about, done, of }) =>
      `- \`${stage}\`: ${about} ${of === null ? 'Not started.' : `${done} of ${of} runs finished.`}`,
  );
  return (
    [
      `# ${name}, ${scale}`,
      ...(notice === undefined ? [] : [`> **Read this first.** ${notice}`]),
      `**Claim.** ${claim}`,
      `**Verdict${conclusion.verdict === undefined ? '' : `: ${conclusion.verdict}`}.** ${conclusion.sentences.join(' ')}`,
      ...(isComplete(account)
        ? []
        : ['**Unfinished**: missing runs are listed below; the command continues with them.']),
      ...conclusion.tables.map(tableText),
      ...(conclusion.pictures ?? []).map(({ name: file, caption }) => markdownFigure(`figures/${file}.png`, caption)),
      ...conclusion.figures.map(({ name: file, caption }) => markdownFigure(`figures/${file}.svg`, caption)),
      '## How it was measured',
      setup(scale).join('\n\n'),
      parts.join('\n'),
      `Seeds: ${seeds.join(', ')}. Total wall-clock time, summed over runs in parallel: ${trialMinutes.toFixed(1)} minutes on ` +
        `${machine['cpu']} (${machine['cores']} cores; other programs shared the machine), Node ${machine['node']}.${origin === '' ? '' : ` Runs: ${origin}.`}`,
      `\`\`\`sh\n${command(name, scale)}\n\`\`\``,
      'This command generates this page from the JSON files in this folder, after finishing missing runs.',
    ].join('\n\n') + '\n'
  );
}

function tableText({ title, columns, rows }: Table): string {
  return `### ${escapeMarkdown(title)}\n\n${markdownTable(columns, rows)}`;
}
