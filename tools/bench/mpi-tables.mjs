/** The tables of docs/several-machines.md about the exchange of gradients: one of measured, one of computed figures. */
import { readFileSync, writeFileSync } from 'node:fs';
import { efficiency } from './ring-model.mjs';
import { withText } from './table.mjs';

/**
 * @typedef {object} ExchangeResult
 * @property {string} fabric `shared`, or the rate of a cable, such as `1gbit`.
 * @property {string} library
 * @property {number} ranks
 * @property {number} parameters
 * @property {number} medianSeconds
 * @property {number} minSeconds
 * @property {number} maxSeconds
 * @property {number} modelSeconds
 * @property {number} rate Of the model, in bytes per second.
 * @property {number} latency Of the model, in seconds.
 * @property {number} [sentBytes] Bytes on the cable per parameter.
 * @property {number} repeats
 * @property {number} load Load average of the machine; 0 if it is idle.
 * @property {string} machine
 * @property {string} date
 */

/**
 * Fabrics of the computed table. The rates and latencies are assumptions, not measurements: what one process reaches on
 * the fabric in practice, including the additions.
 *
 * @type {readonly import('./ring-model.mjs').Fabric[]}
 */
const paperFabrics = [
  { name: '10 GbE', rate: 1.1e9, latency: 30e-6 },
  { name: '25 GbE', rate: 2.4e9, latency: 30e-6 },
  { name: '100 GbE, TCP', rate: 4e9, latency: 30e-6 },
  { name: 'HDR200', rate: 10.5e9, latency: 2e-6 },
];
const paperRanks = [8, 64, 512];
const paperParameters = [6.5e6, 130e6];
const paperAccumulation = [1, 4];
const paperJitter = 0.02;
const stepSeconds = 1;

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows */
const table = (head, rows) =>
  [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join(
    '\n',
  );

const millions = (/** @type {number} */ parameters) => `${Number((parameters / 1e6).toPrecision(2))} M`;
const percent = (/** @type {number} */ fraction) => (100 * fraction).toFixed(0);
const milliseconds = (/** @type {number} */ seconds) =>
  seconds < 0.1 ? (1000 * seconds).toFixed(1) : (1000 * seconds).toFixed(0);

/** Efficiency in % of training with a step of 1 s, without and with jitter. */
function computedTable() {
  const rows = paperFabrics.flatMap((fabric) =>
    paperParameters.flatMap((parameters) =>
      paperAccumulation.map((accumulation) => {
        const of = (/** @type {number} */ jitter) =>
          paperRanks.map((ranks) =>
            percent(efficiency({ fabric, ranks, parameters, stepSeconds, accumulation, jitter })),
          );
        const rate = `${fabric.rate / 1e9} GB/s, ${(fabric.latency * 1e6).toFixed(0)} µs`;
        return [fabric.name, rate, millions(parameters), String(accumulation), ...of(0), ...of(paperJitter)];
      }),
    ),
  );
  const ranks = paperRanks.map((count) => `${count} ranks`);
  const late = paperRanks.map((count) => `${count}, jitter ${percent(paperJitter)}%`);
  return table(['fabric', 'assumed', 'parameters', 'accumulation', ...ranks, ...late], rows);
}

/** Difference to the model in %, from which on the table gives a reason. */
export const explainedAbove = 20;

/** @param {ExchangeResult} result */
export const deviationOf = ({ medianSeconds, modelSeconds }) => 100 * (medianSeconds / modelSeconds - 1);

/** Why a measurement differs from the model; empty if it does not, or if the reason is unknown. @param {ExchangeResult} result */
export function reasonOf(result) {
  if (Math.abs(deviationOf(result)) <= explainedAbove) return '';
  return result.fabric === 'shared' && result.ranks > parseInt(result.machine) ? 'more ranks than cores' : '';
}

/** @param {readonly ExchangeResult[]} results */
function measuredTable(results) {
  const rows = results.map((result) => {
    const { fabric, library, ranks, parameters, medianSeconds, minSeconds, maxSeconds, modelSeconds, load } = result;
    const deviation = deviationOf(result);
    return [
      fabric === 'shared' ? 'shared memory' : `${fabric.replace('gbit', '')} Gbit/s`,
      library,
      String(ranks),
      millions(parameters),
      milliseconds(medianSeconds),
      `${milliseconds(minSeconds)} to ${milliseconds(maxSeconds)}`,
      milliseconds(modelSeconds),
      `${deviation < 0 ? '−' : '+'}${Math.abs(deviation).toFixed(0)}%`,
      reasonOf(result),
      result.sentBytes === undefined ? '' : result.sentBytes.toFixed(2),
      percent(stepSeconds / (stepSeconds + medianSeconds)),
      String(load),
    ];
  });
  const head = [
    'fabric',
    'library',
    'ranks',
    'parameters',
    'median ms',
    'range ms',
    'model ms',
    'measured − model',
    'reason',
    'bytes sent per parameter',
    'efficiency %, step of 1 s',
    'load average',
  ];
  return `${table(head, rows)}\n\nMachine: ${machinesOf(results)}.`;
}

/**
 * Training with one or more ranks on one machine.
 *
 * @typedef {object} TrainingResult
 * @property {string} model
 * @property {number} parameters
 * @property {number} batchSize Of all ranks together.
 * @property {string} library MPI's; `none` for a single process.
 * @property {number} ranks
 * @property {number} threads Of each rank.
 * @property {number} imagesPerSecond Median over steps.
 * @property {number} minImagesPerSecond
 * @property {number} maxImagesPerSecond
 * @property {number} exchangeWait Median fraction of a step that rank 0 spends waiting for others and exchanging.
 * @property {number} steps
 * @property {number} load
 * @property {string} machine
 * @property {string} date
 */

/** @param {readonly TrainingResult[]} results */
export function trainingTable(results) {
  const rate = (/** @type {number} */ value) => value.toPrecision(3);
  const rows = results.map((one) => {
    const alone = results.find(({ model, ranks, threads }) => model === one.model && ranks === 1 && threads === 1);
    return [
      `${one.model}, ${millions(one.parameters)}`,
      String(one.batchSize),
      one.library,
      String(one.ranks),
      String(one.threads),
      rate(one.imagesPerSecond),
      `${rate(one.minImagesPerSecond)} to ${rate(one.maxImagesPerSecond)}`,
      alone === undefined ? '' : (one.imagesPerSecond / alone.imagesPerSecond).toFixed(2),
      percent(one.exchangeWait),
      String(one.load),
    ];
  });
  const head = [
    'model, parameters',
    'batch size',
    'library',
    'ranks',
    'threads per rank',
    'images/s',
    'range',
    'of one thread',
    'exchange and waiting %',
    'load average',
  ];
  return `${table(head, rows)}\n\nMachine: ${machinesOf(results)}.`;
}

/** @param {readonly { readonly machine: string, readonly date: string }[]} results */
function machinesOf(results) {
  return [...new Set(results.map(({ machine, date }) => `${machine}, ${date}`))].join('; ');
}

/** @param {string} name @param {string} program */
const marksOf = (name, program) => [`<!-- ${name}: written by ${program} -->`, `<!-- end of ${name} -->`];

/** Replaces the tables of the exchange in `text`. @param {string} text @param {readonly ExchangeResult[]} results */
export function withMpiTables(text, results) {
  const measured = withText(text, marksOf('measured', 'bench:mpi'), measuredTable(results));
  return withText(measured, marksOf('computed', 'bench:mpi'), computedTable());
}

/** Replaces the table of training in `text`. @param {string} text @param {readonly TrainingResult[]} results */
export function withTrainingTable(text, results) {
  return withText(text, marksOf('training', 'bench:mpi-training'), trainingTable(results));
}

const page = new URL('../../docs/several-machines.md', import.meta.url);

/**
 * Writes the tables to the documentation, and returns them.
 *
 * @param {readonly ExchangeResult[]} results
 * @param {{ dryRun: boolean }} options
 */
export function writeMpiTables(results, { dryRun }) {
  if (!dryRun) writeFileSync(page, withMpiTables(readFileSync(page, 'utf8'), results));
  return [measuredTable(results), computedTable()].join('\n\n');
}

/** Writes the table of training to the documentation, and returns it. @param {readonly TrainingResult[]} results */
export function writeTrainingTable(results) {
  writeFileSync(page, withTrainingTable(readFileSync(page, 'utf8'), results));
  return trainingTable(results);
}
