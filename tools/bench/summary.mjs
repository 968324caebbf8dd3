/** Summarizes timings for results/step.json and the table. */

/**
 * @typedef {object} Summary
 * @property {number} medianMs
 * @property {number} minMs
 * @property {number} q1Ms
 * @property {number} q3Ms
 * @property {number} maxMs
 * @property {number} samples
 * @property {number} firstMs Median over processes of the first call, including compilation.
 * @property {number} peakMb Largest peak resident set size of its processes, in MiB.
 * @property {number} [othersBusy] Average number of cores used by other processes; 0 on an idle machine.
 * @property {number} [compileMs] Median compilation time.
 * @property {number} [javascript] Median fraction of a call spent outside the runtime, in [0, 1].
 */

/**
 * The `q`-quantile with linear interpolation, as `numpy.quantile`.
 *
 * @param {readonly number[]} numbers
 * @param {number} q in [0, 1]
 */
export function quantile(numbers, q) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** @param {readonly number[]} numbers */
const median = (numbers) => quantile(numbers, 0.5);

/** @param {number} digits @param {number} value */
const round = (digits, value) => Number(value.toFixed(digits));

/**
 * @param {readonly import('./run-contender.mjs').Timed[]} timings of one contender, one per round, at least one
 * @returns {Summary}
 */
export function summarize(timings) {
  const ms = timings.flatMap((timing) => timing.ms);
  const at = (/** @type {number} */ q) => round(1, quantile(ms, q));
  const others = timings.flatMap((timing) => timing.othersBusy ?? []);
  const compileMs = timings.flatMap((timing) => timing.compileMs ?? []);
  const javascript = timings.flatMap((timing) => timing.javascript ?? []);
  return {
    medianMs: at(0.5),
    minMs: at(0),
    q1Ms: at(0.25),
    q3Ms: at(0.75),
    maxMs: at(1),
    samples: ms.length,
    firstMs: round(1, median(timings.map((timing) => timing.firstMs))),
    peakMb: round(1, Math.max(...timings.map((timing) => timing.peakMb))),
    ...(others.length > 0 && { othersBusy: round(2, Math.max(...others)) }),
    ...(compileMs.length > 0 && { compileMs: round(1, median(compileMs)) }),
    ...(javascript.length > 0 && { javascript: round(5, median(javascript)) }),
  };
}

/**
 * Checks that all contenders used the same model, weights, and batch: their numbers of parameters are equal, and the
 * result of the first call agrees with ours to the relative `tolerance`.
 *
 * @throws {Error} if they did not
 * @param {string} name The name of the case.
 * @param {ReadonlyMap<string, readonly Pick<import('./run-contender.mjs').Timing, 'parameters' | 'check'>[]>} timings
 * @param {number} [tolerance]
 */
export function requireSameWork(name, timings, tolerance = 1e-3) {
  const first = timings.get('dm')?.[0];
  if (first === undefined) return;
  for (const [contender, list] of timings) {
    for (const { parameters, check } of list) {
      if (parameters !== first.parameters) {
        throw new Error(`${name}: ${contender} has ${parameters} parameters, dm ${first.parameters}`);
      }
      if (!(Math.abs(check - first.check) <= tolerance * Math.abs(first.check))) {
        throw new Error(`${name}: ${contender} computed ${check} in its first call, dm ${first.check}`);
      }
    }
  }
}

/**
 * Replaces results by name, and sorts them in the order of `names`. Results whose name is not in `names` are dropped.
 *
 * @template {{ name: string }} T
 * @param {readonly T[]} old
 * @param {readonly T[]} fresh
 * @param {readonly string[]} names
 */
export function merge(old, fresh, names) {
  const all = new Map([...old, ...fresh].map((result) => [result.name, result]));
  return names.flatMap((name) => all.get(name) ?? []);
}
