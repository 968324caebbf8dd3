/** From timings to what is kept and shown. */

/**
 * @typedef {object} Summary
 * @property {number} medianMs
 * @property {number} minMs
 * @property {number} q1Ms
 * @property {number} q3Ms
 * @property {number} maxMs
 * @property {number} samples
 * @property {number} firstMs Median of the first calls, one a process, compilation included.
 * @property {number} peakMb Largest resident size of all its processes, in MiB.
 * @property {number} [othersBusy] Cores that other processes kept busy meanwhile, on average; 0 on an idle machine.
 * @property {number} [compileMs] Median.
 * @property {number} [javascript] Median part of a call outside the runtime, in [0, 1].
 */

/**
 * The value below which the part `q` of the numbers lies, linear between neighbors (type 7 of Hyndman & Fan 1996).
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
 * @param {readonly import('./run-contender.mjs').Timed[]} timings of one contender, one a round, at least one
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
 * Throws unless all contenders had the same model, weights and batch: the number of parameters is equal, and what the
 * first call computed agrees with ours to `tolerance`, relative.
 *
 * @param {string} name of the case
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
 * Puts results in the place of those of the same names; the others stay. Ordered as `names`; a case that is not among
 * them is dropped.
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
