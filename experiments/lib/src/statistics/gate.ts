/** Whether a network has learned more than a linear filter, at every noise level. */
import { logSnrBuckets } from '@dm/eval';

/** Largest ratios to the Wiener filter above and below log SNR -3, and in every range above 0. */
const most = { above: 1.2, below: 2, clean: 0.95, split: -3 };

/**
 * Whether a network may be used to compare recipes. `ratios`: its loss over the Wiener filter's in ten ranges of equal width
 * over log SNR -5 to 7, from noisy to clean; null if a range contains no timestep. At most 1.2, or 2 below log SNR -3, and
 * at most .95 from 0 on.
 */
export function passesGate(ratios: readonly (number | null)[]): boolean {
  return logSnrBuckets(ratios.length).every(({ from }, i) => {
    const ratio = ratios[i]!;
    return ratio === null || ratio <= (from >= 0 ? most.clean : from >= most.split ? most.above : most.below);
  });
}

/** The lower ends of `count` ranges of log SNR, for the columns of a table. */
export const rangeTitles = (count: number): string[] => logSnrBuckets(count).map(({ from }) => from.toFixed(1));
