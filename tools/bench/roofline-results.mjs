/** results/roofline.json: rates and cases of each processor and number of threads. */
import { merge } from './summary.mjs';
import { rooflineMs } from './work.mjs';

/** @typedef {import('./roofline-table.mjs').Roofline} Roofline */
/** @typedef {import('./roofline-table.mjs').RooflineCase} RooflineCase */

/**
 * Rates of a program, in 1e9 operations or bytes per second: of products by name, and of copies by MiB.
 *
 * @typedef {{ products: Record<string, number>, copies: Record<string, number> }} Rates
 */

/** @typedef {Record<string, Rates>} ProgramRates By program: `dm` and `pytorch`. */

/** What a case is measured with; the machine is not part of it. @typedef {NonNullable<RooflineCase['run']>} CaseRun */

/** Times that follow from the rates. */
/** @typedef {'productMs' | 'trafficMs' | 'rooflineMs' | 'engineRooflineMs'} Derived */

/** The larger value of each entry. @template T @param {T} a @param {T} b @returns {T} */
const better = (a, b) =>
  /** @type {any} */ (
    typeof a === 'number'
      ? Number(Math.max(a, /** @type {any} */ (b)).toFixed(1))
      : Object.fromEntries(
          Object.keys(/** @type {any} */ (a)).map((key) => [
            key,
            better(/** @type {any} */ (a)[key], /** @type {any} */ (b)[key]),
          ]),
        )
  );

/** The best rates of programs. @param {readonly Rates[]} list */
const bestOf = (list) => ({
  gflops: Math.max(...list.flatMap(({ products }) => Object.values(products))),
  // A copy of 16 MiB: the size of an activation, which is partly in the cache.
  gbytes: Math.max(...list.map(({ copies }) => copies[16])),
});

/**
 * Adds cases to the results of a processor with a number of threads; cases of the same name are replaced. Its older
 * rates count if they are better.
 *
 * @param {readonly Roofline[]} machines
 * @param {{ cpu: string, threads: number }} machine
 * @param {ProgramRates} fresh
 * @param {readonly Omit<RooflineCase, Derived>[]} measured
 * @param {readonly string[]} names of all cases, in order
 * @returns {Roofline[]}
 */
export function withMeasured(machines, { cpu, threads }, fresh, measured, names) {
  const old = machines.find(({ run }) => run.cpu === cpu && run.threads === threads);
  const rates = better(old?.rates ?? fresh, fresh);
  const machineRates = bestOf(Object.values(rates));
  const round = (/** @type {number} */ ms) => Number(ms.toFixed(2));
  const all = merge(/** @type {readonly Omit<RooflineCase, Derived>[]} */ (old?.cases ?? []), measured, names);
  const own = {
    run: old?.run ?? { cpu, threads },
    rates,
    machineRates,
    cases: all.map((one) => {
      const { productMs, trafficMs, rooflineMs: total } = rooflineMs(one, machineRates);
      return {
        ...one,
        productMs: round(productMs),
        trafficMs: round(trafficMs),
        rooflineMs: round(total),
        engineRooflineMs: round(rooflineMs(one, bestOf([rates.dm])).rooflineMs),
      };
    }),
  };
  return old === undefined ? [...machines, own] : machines.map((one) => (one === old ? own : one));
}
