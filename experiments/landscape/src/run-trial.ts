/** Trains a model twice and measures its loss landscape. */
import { filterNormalizedDirection, hessianSpectrum, interpolate, planeSlice, type HessianSpectrum } from '@dm/eval';
import { trialFields, type AnyResult, type TrialContext } from '@dm/experiments';
import type { Curve } from './curve-metrics.js';
import { openLandscapes, type LossLandscape } from './landscapes.js';
import type { LandscapeTrial, Resolution, NetworkRecipe } from './trial.js';

/** The landscape of one loss, not normalized. roughness.ts computes scale-free measures from it. */
export interface LandscapeView {
  readonly name: string;
  readonly isWhole: boolean;
  readonly parameters: number;
  /** Loss before training, after training, and of the partner. */
  readonly loss: { readonly start: number; readonly end: number; readonly partner: number };
  /** Lines from initial (0) to trained weights (1), and from the trained weights (0) to the partner's (1). */
  readonly fromStart: Line;
  readonly toPartner: Line;
  /** Slices through the trained weights along filter-normalized random directions. */
  readonly slices: readonly Curve[];
  /** The plane spanned by two of these directions, [points, points] in row-major order. */
  readonly plane: { readonly at: readonly number[]; readonly loss: readonly number[] } | null;
  /** Squared norm of a filter-normalized direction, which equals that of the weights it changes. */
  readonly filterNorm2: number;
  readonly spectrum: {
    readonly largest: readonly number[];
    readonly smallest: readonly number[];
    /** Error bounds of the largest and smallest eigenvalue. */
    readonly residuals: { readonly largest: number; readonly smallest: number };
    readonly trace: number;
    readonly stepError: number;
    /** Values of the density, evenly spaced by `step`, starting at `from`. */
    readonly density: { readonly from: number; readonly step: number; readonly values: readonly number[] };
  };
}

export interface Line extends Curve {
  readonly barrier: number;
}

export interface LandscapeResult extends AnyResult {
  readonly recipe: NetworkRecipe;
  readonly size: LandscapeTrial['size'];
  readonly views: readonly LandscapeView[];
}

export async function measureLandscape(trial: LandscapeTrial, context: TrialContext): Promise<LandscapeResult> {
  const began = performance.now();
  const { landscapes, trainingSeconds } = await openLandscapes(trial, context);
  const views: LandscapeView[] = [];
  for (const landscape of landscapes) {
    views.push(await measureView(landscape, trial.size, trial.seed));
    await landscape.dispose();
  }
  return {
    ...trialFields(trial),
    views,
    seconds: { training: trainingSeconds, measuring: (performance.now() - began) / 1000 - trainingSeconds },
  };
}

async function measureView(landscape: LossLandscape, counts: Resolution, seed: number): Promise<LandscapeView> {
  const { name, objective, layout, start, end, partner, isWhole } = landscape;
  const line = async (a: LossLandscape['start'], b: LossLandscape['start']): Promise<Line> => {
    const { at, loss, barrier } = await interpolate(objective, a, b, { from: 0, to: 1, points: counts.line });
    return { at: at.map(rounded), loss: loss.map(rounded), barrier: rounded(barrier!) };
  };
  const directions = Array.from({ length: Math.max(2, counts.directions) }, (_, k) =>
    filterNormalizedDirection(end, layout, seed, k),
  );
  const slices: Curve[] = [];
  for (const direction of isWhole ? directions.slice(0, counts.directions) : []) {
    const to = Float64Array.from(end, (value, i) => value + direction[i]!);
    const { at, loss } = await interpolate(objective, end, to, { from: -1, to: 1, points: counts.slice });
    slices.push({ at: at.map(rounded), loss: loss.map(rounded) });
  }
  const plane = isWhole
    ? await planeSlice(objective, end, [directions[0]!, directions[1]!], { points: counts.plane })
    : undefined;
  // A width of 2 % of the spectrum needs fewer points in the file than the default.
  const spectrum = await hessianSpectrum(objective, end, { steps: counts.lanczos, width: 0.02, seed });
  return {
    name,
    isWhole,
    parameters: layout.size,
    loss: {
      start: rounded(await objective.loss(start)),
      end: rounded(await objective.loss(end)),
      partner: rounded(await objective.loss(partner)),
    },
    fromStart: await line(start, end),
    toPartner: await line(end, partner),
    slices,
    plane: plane === undefined ? null : { at: plane.at.map(rounded), loss: Array.from(plane.loss, rounded) },
    filterNorm2: rounded(directions[0]!.reduce((sum, d) => sum + d * d, 0)),
    spectrum: spectrumRecord(spectrum),
  };
}

function spectrumRecord({ largest, smallest, trace, error, density }: HessianSpectrum): LandscapeView['spectrum'] {
  // The grid has 8 points per standard deviation of the Gaussian; 2 are enough for plots.
  const stride = 4;
  return {
    largest: largest.map(({ value }) => rounded(value)),
    smallest: smallest.map(({ value }) => rounded(value)),
    residuals: { largest: rounded(largest[0]!.residual), smallest: rounded(smallest[0]!.residual) },
    trace: rounded(trace.value),
    stepError: rounded(error.stepError),
    density: {
      from: rounded(density.at[0]!),
      step: rounded(stride * (density.at[1]! - density.at[0]!)),
      values: Array.from(
        density.density.filter((_, i) => i % stride === 0),
        rounded,
      ),
    },
  };
}

/** Rounds to six significant digits, to keep committed files small. */
const rounded = (value: number): number => Number(value.toPrecision(6));

export function summarize({ views }: LandscapeResult): string {
  return views
    .filter(({ isWhole }) => isWhole)
    .map(({ name, loss }) => `${name} loss ${loss.start.toPrecision(3)} to ${loss.end.toPrecision(3)}`)
    .join(', ');
}
