/** The tables of results/roofline.json in docs/engine.md, one for each processor and number of threads. */
import { readFileSync, writeFileSync } from 'node:fs';
import { tableOf, time, withText } from './table.mjs';

/**
 * @typedef {object} RooflineCase Times in milliseconds per call; medians, and minima of all calls.
 * @property {string} name
 * @property {{ cores: number, rounds: number, steps: number, load: number }} [run] How it was measured; absent in older
 *   results, of which the machine's `run` has the last one.
 * @property {number} flops Floating-point operations of products, two per multiply-add.
 * @property {number} bytes Memory traffic of all other operators.
 * @property {number} productMs At the best rate of products.
 * @property {number} trafficMs At the rate of a copy.
 * @property {number} rooflineMs The sum of the two.
 * @property {number} engineRooflineMs The same at the best rates of ONNX Runtime.
 * @property {number} dmMs
 * @property {number} dmMinMs
 * @property {number} pytorchMs Eager, the faster of its memory layouts.
 * @property {number} pytorchMinMs
 * @property {number} othersBusy Average number of cores used by other programs.
 */

/**
 * @typedef {object} Roofline Results of a processor with a number of threads.
 * @property {{ cpu: string, threads: number }} run
 * @property {import('./roofline-results.mjs').ProgramRates} rates
 * @property {{ gflops: number, gbytes: number }} machineRates The best of them.
 * @property {RooflineCase[]} cases
 */

const marks = ['<!-- roofline: written by roofline-table.mjs -->', '<!-- end of the roofline -->'];

/** The goal of a case: 0.67 times PyTorch's time, or the roofline with 90% of its rates, if that is longer. @param {RooflineCase} result */
export const goalMs = ({ pytorchMs, rooflineMs }) => Math.max(0.67 * pytorchMs, rooflineMs / 0.9);

/** @param {Roofline} results */
function rooflineTable({ cases }) {
  const head = [
    'case',
    'GFLOP',
    'GB',
    'products',
    'traffic',
    'roofline',
    "engine's roofline",
    '@dm',
    'PyTorch',
    '@dm / PyTorch',
    'goal',
    'other programs, cores',
  ];
  const rows = cases.map((result) => [
    result.name,
    (result.flops / 1e9).toPrecision(3),
    (result.bytes / 1e9).toPrecision(3),
    time(result.productMs),
    time(result.trafficMs),
    time(result.rooflineMs),
    time(result.engineRooflineMs),
    time(result.dmMs),
    time(result.pytorchMs),
    (result.dmMs / result.pytorchMs).toFixed(2),
    time(goalMs(result)),
    result.othersBusy.toFixed(1),
  ]);
  return tableOf(head, rows);
}

/** @param {string} page @param {{ machines: Roofline[] }} results */
export const withRooflineTable = (page, { machines }) =>
  withText(
    page,
    marks,
    machines.map((one) => `${one.run.cpu}, ${one.run.threads} threads:\n\n${rooflineTable(one)}`).join('\n\n'),
  );

export function writeRooflineTable() {
  const page = new URL('../../docs/engine.md', import.meta.url);
  const results = JSON.parse(readFileSync(new URL('results/roofline.json', import.meta.url), 'utf8'));
  writeFileSync(page, withRooflineTable(readFileSync(page, 'utf8'), results));
}
