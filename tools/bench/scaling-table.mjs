/** The table of results/scaling.json in docs/engine.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { logSlope } from './scaling-axes.mjs';
import { tableOf, withText } from './table.mjs';

/**
 * @typedef {object} Point
 * @property {number} size
 * @property {number} ms Median time of a step; of all steps for the axis of steps.
 * @property {number} minMs
 * @property {number} [mb] Peak memory of the process minus the base memory, in MiB.
 * @property {number} [parameters]
 * @property {number} [flops] Of the products of a step.
 */

/**
 * @typedef {object} Run
 * @property {string} [cpu]
 * @property {number} cores
 * @property {number} threads
 * @property {number} rounds Processes per size.
 * @property {number} steps Timed steps per process.
 * @property {number} load Load average before it.
 * @property {number} [othersBusy] Largest number of cores that other programs used during a process. Absent in older
 *   results.
 * @property {number} [baseMb] Memory of a process without a model worth mentioning, in MiB.
 */

/**
 * @typedef {object} AxisResult
 * @property {string} name
 * @property {number | 'flops'} expected
 * @property {number} [memory]
 * @property {Run} [run] How it was measured. Absent in older results.
 * @property {Point[]} points
 */

/**
 * @typedef {object} Scaling
 * @property {Run} [run] Of the axes without their own.
 * @property {number} [baseMb] The same.
 * @property {AxisResult[]} axes
 */

/** Points at the upper end of an axis, over which slopes are taken: smaller sizes have a constant cost per operator. */
const UPPER = 3;

/** How much steeper than expected a time may be before it needs an explanation. */
const TOLERANCE = 0.1;

/**
 * Slopes over the upper part of an axis: of the median time, the fastest call, the memory, and the expected ones.
 *
 * @param {AxisResult} axis
 */
export function slopesOf({ expected, memory, points }) {
  const upper = points.slice(-UPPER);
  const sizes = upper.map(({ size }) => size);
  /** @param {(point: Point) => number | undefined} value */
  const slope = (value) => {
    const list = upper.map((point) => value(point) ?? 0);
    return list.every((one) => one > 0) ? logSlope(sizes, list) : undefined;
  };
  return {
    time: logSlope(
      sizes,
      upper.map(({ ms }) => ms),
    ),
    fastest: logSlope(
      sizes,
      upper.map(({ minMs }) => minMs),
    ),
    expected: expected === 'flops' ? /** @type {number} */ (slope(({ flops }) => flops)) : expected,
    memory: slope(({ mb }) => mb),
    expectedMemory: memory,
  };
}

const marks = ['<!-- scaling: written by scaling-table.mjs -->', '<!-- end of the scaling -->'];

/** @param {Scaling} results */
export function scalingTable({ axes }) {
  const head = ['axis', 'sizes', 'ms', 'MiB', 'slope of time', 'of the fastest', 'expected', 'of memory', 'at most'];
  const number = (/** @type {number | undefined} */ value) => (value === undefined ? '' : value.toFixed(2));
  const list = (/** @type {(number | undefined)[]} */ values) =>
    values.map((value) => (value === undefined ? '' : Number(value.toPrecision(3)))).join(', ');
  const rows = axes.map((axis) => {
    const { time, fastest, expected, memory, expectedMemory } = slopesOf(axis);
    const steep = time > expected + TOLERANCE ? ' (steeper)' : '';
    return [
      axis.name,
      list(axis.points.map(({ size }) => size)),
      list(axis.points.map(({ ms }) => ms)),
      axis.points[0].mb === undefined ? '' : list(axis.points.map(({ mb }) => mb)),
      number(time) + steep,
      number(fastest),
      number(expected),
      number(memory),
      number(expectedMemory),
    ];
  });
  return tableOf(head, rows);
}

/** How the axes were measured, one sentence for each way. @param {Scaling} results */
export function measurements({ run: ofFile, axes }) {
  /** @type {Map<string, { names: string[], run: Run }>} */
  const ways = new Map();
  for (const { name, run = ofFile } of axes) {
    if (run === undefined) continue;
    const key = JSON.stringify(run);
    const way = ways.get(key) ?? { names: [], run };
    way.names.push(name);
    ways.set(key, way);
  }
  return [...ways.values()]
    .map(({ names, run: { cpu, cores, threads, rounds, steps, load, othersBusy } }) => {
      const subject = ways.size === 1 ? 'All axes' : names.join(', ');
      const others = othersBusy === undefined ? 'was not recorded' : `was at most ${othersBusy}`;
      return (
        `${subject}: ${cpu}, ${cores} cores, ${threads} threads, ${rounds} processes of ${steps} steps per size. ` +
        `The load average before the run was ${load}; the number of cores that other programs used during it ${others}.`
      );
    })
    .join('\n\n');
}

/** @param {string} page @param {Scaling} results */
export const withScalingTable = (page, results) =>
  withText(page, marks, `${scalingTable(results)}\n\n${measurements(results)}`);

export function writeScalingTable() {
  const page = new URL('../../docs/engine.md', import.meta.url);
  const results = JSON.parse(readFileSync(new URL('results/scaling.json', import.meta.url), 'utf8'));
  writeFileSync(page, withScalingTable(readFileSync(page, 'utf8'), results));
}
