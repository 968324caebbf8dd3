// The result of a case of the timing, from the timings of its contenders.
import { summarize } from '../bench/summary.mjs';

/** @typedef {import('../bench/cases.mjs').Case} Case */
/** @typedef {import('../bench/run-contender.mjs').Timed & { peakDeviceMb?: number }} Timed */

/**
 * Largest relative difference of the first call's result from the first contender's. Half precision rounds products to
 * 8 or 11 bits; TF32 is below the bound of float32.
 */
const tolerance = { float32: 1e-3, half: 2e-2 };

/** @param {string} contender */
export const toleranceOf = (contender) => (/-b?f16$/.test(contender) ? tolerance.half : tolerance.float32);

/** @param {number} digits @param {number} value */
const round = (digits, value) => Number(value.toFixed(digits));

/**
 * The median time of the faster of our layouts, in float32 and without options that are off by default; Infinity if
 * neither was timed.
 *
 * @param {readonly { readonly contender: string, readonly medianMs: number }[]} contenders
 */
export function fastestOfOurs(contenders) {
  const ours = contenders.filter(({ contender }) => /^dm-\w+-N\w+$/.test(contender));
  return Math.min(...ours.map(({ medianMs }) => medianMs));
}

/**
 * Summarizes a case. Contenders that did other work than the first one are in `failed`, without times.
 *
 * @param {Pick<Case, 'name' | 'kind' | 'batch'>} benchCase
 * @param {ReadonlyMap<string, readonly Timed[]>} timings by contender, one per round
 * @param {Readonly<Record<string, string>>} failures reasons for which contenders have no timing
 */
export function summarizeCase({ name, kind, batch }, timings, failures) {
  const lists = [...timings];
  const reference = lists[0]?.[0];
  const first = lists[0]?.[1][0];
  const contenders = lists.map(([contender, list]) => {
    const last = list[list.length - 1];
    return {
      contender,
      ...summarize(list),
      ms: list.map(({ ms }) => ms.map((value) => round(2, value))),
      ...(last.peakDeviceMb !== undefined && {
        peakDeviceMb: round(0, Math.max(...list.map((t) => t.peakDeviceMb ?? 0))),
      }),
      ...(last.copiedBytes !== undefined && { copiedBytes: last.copiedBytes }),
      check: last.check,
      /** Largest relative difference of the loss of the first step, or of the samples, from the first contender. */
      checkDifference: Math.max(...list.map(({ check }) => Math.abs(check / (first?.check ?? NaN) - 1))),
    };
  });
  /** @type {Record<string, string>} */
  const failed = { ...failures };
  for (const { contender, checkDifference } of contenders) {
    const others = timings.get(contender)?.find(({ parameters }) => parameters !== first?.parameters);
    if (others !== undefined) {
      failed[contender] = `has ${others.parameters} parameters, ${reference} ${first?.parameters}`;
    } else if (!(checkDifference <= toleranceOf(contender))) {
      failed[contender] =
        `computed another result than ${reference}: relative difference ${checkDifference.toPrecision(2)}, ` +
        `at most ${toleranceOf(contender)} is correct`;
    }
  }
  const correct = contenders.filter(({ contender }) => !(contender in failed));
  const best = fastestOfOurs(correct);
  return {
    case: name,
    kind,
    batch,
    parameters: first?.parameters,
    contenders: correct,
    /** Throughput of our faster layout relative to each PyTorch variant in float32; above 1, ours is faster. */
    relativeThroughput: Object.fromEntries(
      correct.flatMap(({ contender, medianMs }) =>
        contender.startsWith('pytorch') && !contender.includes('autocast') && Number.isFinite(best)
          ? [[contender, round(3, medianMs / best)]]
          : [],
      ),
    ),
    failed,
  };
}
