import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  deviationOf,
  explainedAbove,
  reasonOf,
  trainingTable,
  withMpiTables,
  withTrainingTable,
  type ExchangeResult,
  type TrainingResult,
} from './mpi-tables.mjs';

const page = readFileSync(new URL('../../docs/several-machines.md', import.meta.url), 'utf8');
const results = JSON.parse(readFileSync(new URL('results/mpi.json', import.meta.url), 'utf8')) as ExchangeResult[];

it('docs/several-machines.md has the tables of the model and of results/mpi.json', () => {
  expect(withMpiTables(page, results)).toBe(page);
});

it('docs/several-machines.md has the table of results/mpi-training.json', () => {
  const training = JSON.parse(
    readFileSync(new URL('results/mpi-training.json', import.meta.url), 'utf8'),
  ) as TrainingResult[];
  expect(training.map(({ ranks }) => ranks)).toContain(2);
  expect(withTrainingTable(page, training)).toBe(page);
});

it('training is compared with one process of one thread', () => {
  const one: TrainingResult = {
    model: 'a model',
    parameters: 6_472_195,
    batchSize: 16,
    library: 'none',
    ranks: 1,
    threads: 1,
    imagesPerSecond: 4,
    minImagesPerSecond: 3,
    maxImagesPerSecond: 5,
    exchangeWait: 0,
    steps: 3,
    load: 0.5,
    machine: 'a machine',
    date: '2026-01-02',
  };
  const table = trainingTable([one, { ...one, library: 'MPICH', ranks: 2, imagesPerSecond: 7, exchangeWait: 0.081 }]);
  expect(table).toContain('| a model, 6.5 M | 16 | MPICH | 2 | 1 | 7.00 | 3.00 to 5.00 | 1.75 | 8 | 0.5 |');
});

it('gives a reason for each measurement that differs from the model by more than 20%', () => {
  const unexplained = results.filter((one) => Math.abs(deviationOf(one)) > explainedAbove && reasonOf(one) === '');
  expect(unexplained).toEqual([]);
  const [four] = results.filter(({ fabric, ranks }) => fabric === 'shared' && ranks === 4);
  const late = { ...four, medianSeconds: 2 * four.modelSeconds };
  expect(reasonOf(late)).toBe('more ranks than cores');
  expect(
    [
      { ...late, ranks: 2 },
      { ...late, fabric: '1gbit' },
      { ...late, medianSeconds: late.modelSeconds },
    ].map(reasonOf),
  ).toEqual(['', '', '']);
});

it('the computed table has the efficiency of each fabric', () => {
  // 130 M parameters in 31 parts, 8 ranks, 10 GbE: 910 MB at 1.1 GB/s and 31 times 14 steps of 30 microseconds: 0.840 s.
  // With jitter of 2%, ranks wait for 1.42 times 0.02 s. Four micro-batches: 4 / 4.840, and twice that wait.
  const rows = page.split('\n').filter((line) => line.startsWith('| 10 GbE |') && line.includes('130 M'));
  const cells = rows.map((row) => row.split('|').map((cell) => cell.trim()));
  expect(cells.map((row) => [row[4], row[5], row[8]])).toEqual([
    ['1', '54', '54'],
    ['4', '83', '82'],
  ]);
});

it('a measurement is compared with the model', () => {
  const [row] = withMpiTables(page, [
    {
      fabric: '2.5gbit',
      library: 'MPICH 4.0.2',
      ranks: 2,
      parameters: 6.5e6,
      medianSeconds: 0.25,
      minSeconds: 0.2,
      maxSeconds: 0.3,
      modelSeconds: 0.2,
      rate: 1,
      latency: 0,
      sentBytes: 4.012,
      repeats: 3,
      load: 0.5,
      machine: 'a machine',
      date: '2026-01-02',
    },
  ])
    .split('\n')
    .filter((line) => line.startsWith('| 2.5 Gbit/s'));
  expect(row).toBe('| 2.5 Gbit/s | MPICH 4.0.2 | 2 | 6.5 M | 250 | 200 to 300 | 200 | +25% |  | 4.01 | 80 | 0.5 |');
});
