import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DmError } from '@dm/ops';
import { writeExperimentsPage } from './experiments-page.js';
import { UserError } from '../errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-experiments-'));
  mkdirSync(join(folder, 'docs'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const results = {
  experiment: 'a',
  configuration: 'laptop',
  inShort: 'a | b',
  claim: 'A is better than B.',
  verdict: 'holds',
  key: 'A over B: 0.5',
  sentences: ['It is.', 'By half.'],
  isComplete: true,
  seeds: [0, 1, 2],
  command: 'nx run experiment-a:experiment -c laptop',
  machine: { cpu: 'CPU', cores: 2, node: '20.0.0', onnxruntime: '1.0.0' },
  trialMinutes: 1.25,
  tables: [
    { title: 'Finals', columns: ['arm', 'loss'], rows: [['A', '0.5']] },
    { title: 'Screening', columns: ['arm'], rows: [['A'], ['B']] },
    { title: 'Not begun', columns: ['arm'], rows: [] },
  ],
  figures: [{ file: 'figures/loss.svg', caption: 'Loss' }],
  numbers: { unread: 1 },
};

function experiment(name: string, found: Readonly<Record<string, string | object>> = {}): void {
  const home = join(folder, 'experiments', name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'project.json'), JSON.stringify({ targets: { experiment: {} } }));
  for (const [configuration, value] of Object.entries(found)) {
    const path = join(home, 'results', configuration);
    mkdirSync(join(path, 'figures'), { recursive: true });
    writeFileSync(join(path, 'figures/loss.svg'), '<svg/>');
    writeFileSync(join(path, 'results.json'), typeof value === 'string' ? value : JSON.stringify(value));
  }
}

const page = () => {
  const path = join(folder, 'docs/experiments.md');
  writeExperimentsPage(join(folder, 'experiments'), path);
  return readFileSync(path, 'utf8');
};

describe('the page of the experiments', () => {
  it('has verdicts on top, then claim, tables, figures, seeds, command, machine; and says what is missing', () => {
    experiment('a', { laptop: results, smoke: { nothing: 'that is committed' } });
    experiment('later');
    mkdirSync(join(folder, 'experiments/lib'));
    const text = page();
    expect(text).toContain(
      [
        '| experiment | claim | verdict | key number |',
        '| --- | --- | --- | --- |',
        '| [a, laptop](#a-laptop) | a \\| b | holds | A over B: 0.5 |',
        '| later |  | no results yet |  |',
        '',
        'Without results: `later`.',
        '',
        '## a, laptop',
        '',
        `**Claim.** ${results.claim}`,
        '',
        '**Verdict: holds.** It is. By half.',
        '',
        '### Finals',
        '',
        '| arm | loss |',
      ].join('\n'),
    );
    expect(text).toMatch(/<details><summary>Screening .*<\/summary>\n\n\| arm \|\n/);
    expect(text).toContain('![Loss](../experiments/a/results/laptop/figures/loss.svg)');
    expect(text).toMatch(/Seeds: 0, 1, 2\..*\b1\.3\b.*\(2 cores\).*20\.0\.0/);
    expect(text).toContain(`\`\`\`sh\n${results.command}\n\`\`\``);
    expect(text).not.toContain('Not begun');
    expect(text).not.toContain('smoke');
    expect(page()).toBe(text);
  });

  it('links to results that have a page, but are in another format', () => {
    experiment('a', { laptop: results });
    experiment('own', { laptop: results });
    const own = join(folder, 'experiments/own/results/laptop');
    rmSync(join(own, 'results.json'));
    writeFileSync(join(own, 'README.md'), '# Results\n');
    const text = page();
    expect(text).toContain('| [own, laptop](../experiments/own/results/laptop/README.md) |  |');
    expect(text).not.toContain('Without results');
  });

  it('marks what is unfinished, and quotes the first sentence where there is no key number', () => {
    const { key: _, ...open } = results;
    experiment('a', { laptop: { ...open, isComplete: false } });
    expect(page()).toMatch(/\(unfinished\) \| It is\./);
  });

  it('refuses results that are not what an experiment writes, and says which and why', () => {
    const path = join(folder, 'experiments/a/results/laptop/results.json');
    const written = (found: string | object) => () => {
      experiment('a', { laptop: found });
      page();
    };
    const invalid = (...contains: string[]) => ({ type: DmError, code: 'FILE_INVALID', contains: [path, ...contains] });
    expect(written('{"experiment": ')).toThrowWith(invalid('not JSON'));
    expect(written({ ...results, verdict: 'perhaps' })).toThrowWith(invalid('verdict: '));
    expect(written({ ...results, inShort: undefined })).toThrowWith(invalid('inShort: '));
    expect(written({ ...results, tables: [{ title: 'x', columns: ['a'], rows: [['1', '2']] }] })).toThrowWith(
      invalid('tables.0: ', 'cells than columns'),
    );
    expect(written({ ...results, experiment: 'b' })).toThrowWith(invalid('of b', 'of a'));
    expect(written({ ...results, figures: [{ file: 'figures/x.svg', caption: '' }] })).toThrowWith(
      invalid('figures/x.svg'),
    );
    for (const text of ['null', '1', '"x"', '[]']) expect(written(text), text).toThrowWith(invalid());
    expect(written('['.repeat(1e6))).toThrowWith(invalid('nested'));
    expect(written({ ...results, claim: 'x'.repeat(1e5) })).toThrowWith(invalid('claim: '));
    expect(written({ ...results, seeds: Array.from({ length: 1e5 }, () => 0) })).toThrowWith(invalid('seeds: '));
    expect(written(results)).not.toThrow();
  });

  it('names no figure outside of the folder of its results', () => {
    experiment('a', { laptop: results });
    const home = join(folder, 'experiments/a/results/laptop');
    writeFileSync(join(folder, 'secret.svg'), '<svg/>');
    symlinkSync(join(folder, 'secret.svg'), join(home, 'link.svg'));
    symlinkSync(folder, join(home, 'linked'));
    for (const file of [
      '../../../../secret.svg',
      join(folder, 'secret.svg'),
      'link.svg',
      'linked/secret.svg',
      'figures',
      '',
    ]) {
      experiment('a', { laptop: { ...results, figures: [{ file, caption: '' }] } });
      expect(page, file).toThrow(expect.objectContaining({ code: 'FILE_INVALID' }) as Error);
      expect(page, file).toThrow(/results\.json.*figure/);
    }
  });

  it.each(['null', '[]', '1', '{"targets": null}', '{"targets": []}', '{'])(
    'refuses the project.json %s by its name',
    (text) => {
      experiment('a', { laptop: results });
      writeFileSync(join(folder, 'experiments/a/project.json'), text);
      expect(page).toThrow(expect.objectContaining({ code: 'FILE_INVALID' }) as Error);
      expect(page).toThrow(/project\.json/);
    },
  );

  it('refuses a folder without experiments', () => {
    expect(page).toThrowWith({ type: UserError, code: 'FILE_NOT_FOUND', contains: join(folder, 'experiments') });
  });

  it('a result without a verdict is stated by its sentences', () => {
    const { verdict: _, ...inNumbers } = results;
    experiment('a', { laptop: inNumbers });
    const text = page();
    expect(text).toContain('| in numbers | A over B: 0.5 |');
    expect(text).toContain('**Verdict.** It is. By half.');
  });

  it('puts what the notices share at its head, and each whole notice in its section', () => {
    experiment('a', { laptop: { ...results, notice: 'Too short. Untuned.' } });
    experiment('b', { laptop: { ...results, experiment: 'b', notice: 'Too short. One seed.' } });
    const text = page();
    const [head = '', a = '', b = ''] = text.split('\n## ');
    expect(head).toMatch(/^> .*Too short\.$/m);
    expect(head).not.toMatch(/Untuned|One seed/);
    expect(a).toMatch(/^> .*Too short\. Untuned\.$/m);
    expect(b).toMatch(/^> .*One seed\.$/m);
  });

  it('does not look at a notice of another kind, if most share theirs', () => {
    for (const [name, notice] of [
      ['a', 'Too short. Untuned.'],
      ['b', 'Another.'],
      ['c', 'Too short.'],
    ] as const) {
      experiment(name, { laptop: { ...results, experiment: name, notice } });
    }
    const [head = '', ...sections] = page().split('\n## ');
    expect(head).toMatch(/^> .*Too short\.$/m);
    expect(sections[1]).toMatch(/^> .*Another\.$/m);
  });

  it('has no notice at its head if one of two results needs none', () => {
    experiment('a', { laptop: { ...results, notice: 'Too short.' } });
    experiment('b', { laptop: { ...results, experiment: 'b' } });
    expect(page().split('\n## ')[0]).not.toContain('>');
  });
});
