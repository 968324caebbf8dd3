/** The figures in docs/engine.md are those of `results/`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fastestOfOurs, toleranceOf } from './summarize-case.mjs';

const folder = join(import.meta.dirname, 'results');
const docs = readFileSync(join(import.meta.dirname, '../../docs/engine.md'), 'utf8');

interface Results {
  readonly card: { readonly name: string; readonly driver: string };
  readonly correctness: readonly {
    readonly case: string;
    readonly correct: boolean;
    readonly lossDifference: number;
    readonly momentDifference: number;
  }[];
  readonly timing: readonly {
    readonly case: string;
    readonly contenders: readonly {
      readonly contender: string;
      readonly medianMs: number;
      readonly samples: number;
      readonly checkDifference: number;
    }[];
    readonly relativeThroughput: Readonly<Record<string, number>>;
  }[];
}

const all = readdirSync(folder).map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Results);

it('all models are correct on all cards', () => {
  const wrong = all.flatMap(({ card, correctness }) =>
    correctness.filter(({ correct }) => !correct).map((one) => `${card.name}: ${one.case}`),
  );
  expect(wrong).toEqual([]);
});

it.each(all)('all contenders on $card.name computed the same', ({ timing }) => {
  const wrong = timing.flatMap(({ case: name, contenders }) =>
    contenders
      .filter(({ contender, checkDifference }) => !(checkDifference <= toleranceOf(contender)))
      .map(({ contender }) => `${name}: ${contender}`),
  );
  expect(wrong).toEqual([]);
});

it.each(all)('the medians of $card.name are of as many steps as docs/engine.md says', ({ card, timing }) => {
  const samples = timing.flatMap(({ contenders }) =>
    contenders.filter(({ contender }) => inTable(contender)).map((one) => one.samples),
  );
  const [least, most] = [Math.min(...samples), Math.max(...samples)];
  const paragraph = docs.split('\n\n').find((text) => text.includes(`${card.name}, driver ${card.driver}`))!;
  expect(paragraph.replaceAll(/\s+/g, ' ')).toContain(`Medians of ${least} to ${most} steps`);
});

/** Whether a contender is one of the columns of the table. */
const inTable = (contender: string) =>
  /^pytorch-eager(-tf32)?$/.test(contender) || Number.isFinite(fastestOfOurs([{ contender, medianMs: 1 }]));

it.each(all)('the table of $card.name', ({ card, timing }) => {
  expect(docs).toContain(`${card.name}, driver ${card.driver}`);
  for (const { case: name, contenders, relativeThroughput } of timing) {
    const ms = Object.fromEntries(contenders.map(({ contender, medianMs }) => [contender, medianMs]));
    const fastest = fastestOfOurs(contenders);
    const eager = ms['pytorch-eager'];
    const ratio = relativeThroughput['pytorch-eager']?.toFixed(2);
    const row = [name, fastest, eager ?? '-', ms['pytorch-eager-tf32'] ?? '-', ratio ?? '-'].map(String);
    const found = docs.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    expect(found).toContainEqual(['', ...row, '']);
  }
});
