/** Measures of roughness that do not depend on the scale of the loss or of the filters. Smaller is smoother. */
import { convexityGap } from './curve-metrics.js';
import type { LandscapeView } from './run-trial.js';

/** The measures that are compared as log ratios; together with the three other tasks, nine comparisons. */
export const primaryMeasures = {
  sharpness: 'sharpness: largest eigenvalue / drop',
  typicalCurvature: 'typical curvature: RMS over random directions / drop',
  negativity: 'most negative / largest eigenvalue',
} as const;
export type PrimaryMeasure = keyof typeof primaryMeasures;

/** Whether a measure uses eigenvalues of the Hessian. */
export const isSpectral = {
  sharpness: true,
  typicalCurvature: false,
  negativity: true,
} as const satisfies Readonly<Record<PrimaryMeasure, boolean>>;

export const primaryNames = Object.keys(primaryMeasures) as PrimaryMeasure[];

export interface Measures extends Readonly<Record<PrimaryMeasure, number>> {
  /** `negativity` if the most negative eigenvalue is as negative as the residual of Lanczos allows. */
  readonly negativityBound: number;
  /** Gap to convexity of the line from the initial weights; often 0, so it is not compared as a ratio. */
  readonly lineGap: number;
}

/**
 * The measures of a loss. The drop is the loss before minus the loss after training; S is the diagonal matrix of filter
 * norms, lambda are eigenvalues of S H S, and d are filter-normalized random directions:
 *
 * - sharpness = lambda_max / drop
 * - typicalCurvature = sqrt(mean of (d . H d)^2) / drop; the mean of d . H d estimates a trace, but may be negative
 * - negativity = max(0, -lambda_min) / lambda_max; negativityBound = (max(0, -lambda_min) + residual) / lambda_max
 * - lineGap = largest distance of the line's losses above their lower convex hull / their range
 *
 * Measures relative to the drop are NaN if it is not positive.
 */
export function measuresOf({ loss, fromStart, curvatures, spectrum }: LandscapeView): Measures {
  const drop = loss.start - loss.end;
  const inDrops = (value: number) => (drop > 0 ? value / drop : NaN);
  const largest = spectrum.largest[0]!;
  const meanSquare = curvatures.reduce((sum, value) => sum + value * value, 0) / curvatures.length;
  const negative = Math.max(0, -spectrum.smallest[0]!);
  return {
    sharpness: inDrops(largest),
    typicalCurvature: inDrops(Math.sqrt(meanSquare)),
    negativity: negative / largest,
    negativityBound: (negative + spectrum.residuals.smallest) / largest,
    lineGap: convexityGap(fromStart),
  };
}
