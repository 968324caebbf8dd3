/** The figures in docs/engine.md are those of `results/`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

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
    readonly contenders: readonly { readonly contender: string; readonly medianMs: number }[];
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

it.each(all)('the table of $card.name', ({ card, timing }) => {
  expect(docs).toContain(`${card.name}, driver ${card.driver}`);
  for (const { case: name, contenders, relativeThroughput } of timing) {
    const ms = Object.fromEntries(contenders.map(({ contender, medianMs }) => [contender, medianMs]));
    const fastest = Math.min(...contenders.filter((one) => one.contender.startsWith('dm-')).map((one) => one.medianMs));
    const eager = ms['pytorch-eager'];
    const ratio = relativeThroughput['pytorch-eager']?.toFixed(2);
    const row = [name, fastest, eager ?? '-', ms['pytorch-eager-tf32'] ?? '-', ratio ?? '-'].map(String);
    const found = docs.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
    expect(found).toContainEqual(['', ...row, '']);
  }
});
