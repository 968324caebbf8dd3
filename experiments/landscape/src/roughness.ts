/** Roughness measures that do not depend on the scale of the loss. Smaller is smoother. */
import type { LandscapeView } from './run-trial.js';
import { convexityGap, centralCurvature, totalRise } from './curve-metrics.js';

export const roughnessMeasures = {
  barrierFromStart: 'barrier from start to end / drop',
  riseFromStart: 'rise from start to end / drop',
  barrierToPartner: 'barrier to the partner / drop',
  convexityGap: 'gap to convexity of slices / height',
  randomCurvature: 'curvature in random directions / drop',
  topCurvature: 'curvature in the sharpest direction / drop',
  negative: 'most negative / largest eigenvalue',
} as const;
export type RoughnessMeasure = keyof typeof roughnessMeasures;
export const roughnessNames = Object.keys(roughnessMeasures) as RoughnessMeasure[];

/**
 * All measures of a loss. The drop is the loss before training minus the loss after training. Curvatures are second
 * derivatives along directions with the norm of the weights: the mean over random directions (slices), and lambda |w|^2
 * for the largest eigenvalue lambda. Measures of slices are null if there are none, and ratios to the drop are null if
 * the drop is not positive.
 */
export function roughnessOf(view: LandscapeView): Readonly<Record<RoughnessMeasure, number | null>> {
  const { loss, fromStart, toPartner, slices, filterNorm2, spectrum } = view;
  const drop = loss.start - loss.end;
  const inDrops = (value: number | null) => (value === null || drop <= 0 ? null : value / drop);
  const meanOfSlices = (of: (slice: LandscapeView['slices'][number]) => number) =>
    slices.length === 0 ? null : slices.reduce((sum, slice) => sum + of(slice), 0) / slices.length;
  return {
    barrierFromStart: inDrops(fromStart.barrier),
    riseFromStart: inDrops(totalRise(fromStart)),
    barrierToPartner: inDrops(toPartner.barrier),
    convexityGap: meanOfSlices(convexityGap),
    randomCurvature: inDrops(meanOfSlices(centralCurvature)),
    topCurvature: inDrops(spectrum.largest[0]! * filterNorm2),
    negative: Math.max(0, -spectrum.smallest[0]!) / spectrum.largest[0]!,
  };
}
