/** What the results are compared with: the bounds of E1 and the floor of E2, on the test images. */
import { computeBounds, createDenoiser, createValidationSet, evaluateSets, openEngine } from '@dm/trainer';
import { openImages } from './data.js';
import type { BoundsResult, FloorResult } from './results.js';
import { valueOf, type TrialContext } from './run-trial.js';
import { firstTuning, resolvedConfigOf } from './trials.js';

/** Choices of images that the spread of the floor is taken from. */
const floorChoices = 5;

/** Losses of the Wiener filter and of the posterior mean, fitted to the training images, on the test images. */
export async function measureBounds({ size, data }: TrialContext): Promise<BoundsResult> {
  // All trials have the same noise schedule.
  const denoiser = createDenoiser(resolvedConfigOf(firstTuning(size)[0]!, size, data.train, 'unused'));
  const [train, test] = [await openImages(data, 'training'), await openImages(data, 'test')];
  const set = await createValidationSet(denoiser, test, {
    images: size.validationImages,
    draws: size.validationDraws,
  });
  const engine = await openEngine('onnx');
  try {
    return await computeBounds(train, set, engine);
  } finally {
    await engine.dispose();
  }
}

/** FD and KD of training images to test images: mean and standard deviation over choices of images. */
export async function measureFloor(context: TrialContext, choices = floorChoices): Promise<FloorResult> {
  const { data, size } = context;
  const extractor = await context.extractor();
  const [fd, kd]: [number[], number[]] = [[], []];
  for (let seed = 0; seed < choices; seed++) {
    const { results } = await evaluateSets(`shard:${data.train}`, `shard:${data.test}`, {
      extractor,
      metrics: ['fid', 'kid'],
      count: size.samples,
      seed,
    });
    fd.push(valueOf(results, 'FD'));
    kd.push(valueOf(results, 'KD'));
  }
  return { fd: summary(fd), kd: summary(kd) };
}

function summary(values: readonly number[]) {
  const value = values.reduce((sum, one) => sum + one, 0) / values.length;
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (values.length - 1);
  return { value, spread: Math.sqrt(variance) };
}
