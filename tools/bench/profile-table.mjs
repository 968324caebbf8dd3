/** The tables of results/profile.json in docs/engine.md, one for each processor. */
import { readFileSync, writeFileSync } from 'node:fs';
import { tableOf, time, withText } from './table.mjs';

/**
 * @typedef {object} ProfiledCase
 * @property {string} name
 * @property {number} calls Of which the median is reported.
 * @property {number} threads
 * @property {number} ms Sum of all operators and the update, under the profiler.
 * @property {readonly import('./operator-classes.mjs').ClassTime[]} classes
 * @property {number} othersBusy Average number of cores used by other programs.
 */

/** @typedef {{ run: { cpu: string, cores: number }, cases: ProfiledCase[] }} Profiled */

const marks = ['<!-- profile: written by profile-table.mjs -->', '<!-- end of the profile -->'];

/** A case: its milliseconds, and for each class the share and, for products, GFLOP/s. @param {ProfiledCase} result */
function row({ name, ms, classes }) {
  const cells = classes.map((one) => {
    const share = `${((100 * one.ms) / ms).toFixed(0)}%`;
    return one.flops === 0 ? share : `${share}, ${(one.flops / one.ms / 1e6).toFixed(0)}`;
  });
  return [name, time(ms), ...cells];
}

/** @param {Profiled} results */
function profileTable({ cases }) {
  const head = ['case', 'ms', ...cases[0].classes.map(({ name }) => name)];
  return tableOf(head, cases.map(row));
}

/** @param {string} page @param {{ machines: Profiled[] }} results */
export const withProfileTables = (page, { machines }) =>
  withText(page, marks, machines.map((one) => `${one.run.cpu}:\n\n${profileTable(one)}`).join('\n\n'));

export function writeProfileTables() {
  const page = new URL('../../docs/engine.md', import.meta.url);
  const results = JSON.parse(readFileSync(new URL('results/profile.json', import.meta.url), 'utf8'));
  writeFileSync(page, withProfileTables(readFileSync(page, 'utf8'), results));
}
