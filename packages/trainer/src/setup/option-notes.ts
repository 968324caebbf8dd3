/** Combinations of options that differ from recipes of other programs. */
import type { Config } from '../config/schema.js';
import { predictionOptions } from './denoiser.js';

/** A note if both the schedule and the compensation of momentum decay lower the learning rate. */
export function decayNote({ lrSchedule, momentumDecay, betas }: Config['optimizer']): string | undefined {
  if (lrSchedule.type === 'constant' || momentumDecay?.compensate !== true || betas[0] === 0) return undefined;
  return (
    `the learning rate decays twice, by the schedule "${lrSchedule.type}" and by the compensation of momentum decay: add ` +
    '--no-momentum-decay for the schedule alone, or --lr-schedule constant for the compensation alone'
  );
}

/** A note if the prediction and a loss weighting in terms of sigmaData have different ones, which in EDM are the same. */
export function sigmaDataNote({
  diffusion,
  lossWeighting,
}: Pick<Config, 'diffusion' | 'lossWeighting'>): string | undefined {
  const { sigmaData } = predictionOptions(diffusion);
  if (sigmaData === undefined || (lossWeighting.type !== 'edm' && lossWeighting.type !== 'softMinSnr'))
    return undefined;
  const ofWeights = lossWeighting.sigmaData ?? 0.5;
  if (ofWeights === sigmaData) return undefined;
  return (
    `sigmaData is ${sigmaData} in the prediction, and ${ofWeights} in the loss weighting "${lossWeighting.type}": for EDM, ` +
    `add --set lossWeighting.sigmaData=${sigmaData}`
  );
}
