/** Trains the UNet on a task and measures its loss landscape. */
import {
  filterNormalizedDirection,
  hessianSpectrum,
  interpolate,
  type FlatVector,
  type HessianSpectrum,
  type Objective,
} from '@dm/eval';
import { trialFields, type AnyResult, type TrialContext } from '@dm/experiments';
import type { Curve } from './curve-metrics.js';
import { filterNorms, scaledObjective } from './filter-coordinates.js';
import { openLandscapes, type LossLandscape } from './landscapes.js';
import type { LandscapeTrial, Resolution, TaskRecipe } from './trial.js';

/** The landscape of one loss, not divided by the drop. measures.ts computes scale-free measures from it. */
export interface LandscapeView {
  readonly name: string;
  readonly parameters: number;
  /** Loss before and after training. */
  readonly loss: { readonly start: number; readonly end: number };
  /** The line from the initial (0) to the trained weights (1), and its barrier. */
  readonly fromStart: Curve & { readonly barrier: number };
  /** d . H d for random filter-normalized directions d. */
  readonly curvatures: readonly number[];
  /** Of S H S, with S the filter norms of the trained weights. */
  readonly spectrum: {
    readonly largest: readonly number[];
    readonly smallest: readonly number[];
    /** Error bounds of the largest and smallest eigenvalue. */
    readonly residuals: { readonly largest: number; readonly smallest: number };
    /** Finite-difference step, and the errors of Hessian-vector products that `hessianSpectrum` reports. */
    readonly step: number;
    readonly stepError: number;
    readonly eigenvectorError: number;
  };
}

export interface LandscapeResult extends AnyResult {
  readonly recipe: TaskRecipe;
  readonly size: LandscapeTrial['size'];
  /** The whole loss, then the noise ranges of the denoiser. */
  readonly views: readonly LandscapeView[];
  readonly fd?: { readonly start: number; readonly end: number };
}

export async function measureLandscape(trial: LandscapeTrial, context: TrialContext): Promise<LandscapeResult> {
  const began = performance.now();
  const { landscapes, fd, trainingSeconds } = await openLandscapes(trial, context);
  const views: LandscapeView[] = [];
  for (const landscape of landscapes) {
    views.push(await measureView(landscape, trial.size, trial.seed));
    await landscape.dispose();
  }
  return {
    ...trialFields(trial),
    views,
    ...(fd !== undefined && { fd: { start: rounded(fd.start), end: rounded(fd.end) } }),
    seconds: { training: trainingSeconds, measuring: (performance.now() - began) / 1000 - trainingSeconds },
  };
}

async function measureView(landscape: LossLandscape, counts: Resolution, seed: number): Promise<LandscapeView> {
  const { name, objective, layout, start, end } = landscape;
  const line = await interpolate(objective, start, end, { from: 0, to: 1, points: counts.line });
  const norms = filterNorms(end, layout);
  const scaled = scaledObjective(objective, end, norms);
  const center = new Float64Array(layout.size);
  const spectrum = await hessianSpectrum(scaled, center, { steps: counts.lanczos, seed });
  const curvatures: number[] = [];
  for (let k = 0; k < counts.directions; k++) {
    const direction = filterNormalizedDirection(end, layout, seed, k);
    curvatures.push(rounded(await directionalCurvature(objective, end, direction, RELATIVE_STEP)));
  }
  return {
    name,
    parameters: layout.size,
    loss: { start: rounded(line.loss[0]!), end: rounded(line.loss.at(-1)!) },
    fromStart: { at: line.at.map(rounded), loss: line.loss.map(rounded), barrier: rounded(line.barrier!) },
    curvatures,
    spectrum: spectrumRecord(spectrum),
  };
}

/** Step along a filter-normalized direction, in units of its norm, as a fraction of the weights. */
const RELATIVE_STEP = 1e-2;

/** d . H d by a central difference of the slope: (g(p + h d) - g(p - h d)) . d / 2h. */
async function directionalCurvature(
  objective: Objective,
  params: FlatVector,
  direction: Float64Array,
  h: number,
): Promise<number> {
  const slopeAt = async (t: number) => {
    const at = Float64Array.from(params);
    for (let i = 0; i < at.length; i++) at[i]! += t * direction[i]!;
    const gradient = await objective.gradient(at);
    let slope = 0;
    for (let i = 0; i < at.length; i++) slope += gradient[i]! * direction[i]!;
    return slope;
  };
  return ((await slopeAt(h)) - (await slopeAt(-h))) / (2 * h);
}

function spectrumRecord({ largest, smallest, error }: HessianSpectrum): LandscapeView['spectrum'] {
  return {
    largest: largest.map(({ value }) => rounded(value)),
    smallest: smallest.map(({ value }) => rounded(value)),
    residuals: { largest: rounded(largest[0]!.residual), smallest: rounded(smallest[0]!.residual) },
    step: rounded(error.step),
    stepError: rounded(error.stepError),
    eigenvectorError: rounded(error.largest),
  };
}

/** Rounds to six significant digits, to keep committed files small. */
const rounded = (value: number): number => Number(value.toPrecision(6));

export function summarize({ views, fd }: LandscapeResult): string {
  const { loss, spectrum } = views[0]!;
  const distance = fd === undefined ? '' : `, FD-classifier ${fd.start.toPrecision(3)} to ${fd.end.toPrecision(3)}`;
  return (
    `loss ${loss.start.toPrecision(3)} to ${loss.end.toPrecision(3)}${distance}, ` +
    `error of Hessian-vector products ${Math.max(...views.map((view) => view.spectrum.stepError)).toPrecision(2)}, ` +
    `largest ${spectrum.largest[0]!.toPrecision(3)}, smallest ${spectrum.smallest[0]!.toPrecision(3)}`
  );
}
