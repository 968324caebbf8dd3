/**
 * Combinations of noise schedule, prediction, loss, variance, time embedding, and sampling path that cannot be trained or
 * sampled.
 */
import { UserError } from '../errors.js';
import type { Config } from '../config/schema.js';

type Objective = Pick<Config, 'model' | 'diffusion' | 'lossWeighting' | 'sampler'>;

/**
 * @throws {UserError} `CONFIG_INVALID` if the parts of the objective contradict each other; names the fields and the
 *   remedy
 */
export function checkObjective(config: Objective): void {
  const problem = [checkPrediction, checkLoss, checkVariance, checkTimeEmbedding, checkPath].flatMap(
    (check) => check(config) ?? [],
  )[0];
  if (problem !== undefined) throw new UserError(problem, { code: 'CONFIG_INVALID' });
}

type Check = (config: Objective) => string | undefined;

const checkPrediction: Check = ({ diffusion: { schedule, prediction } }) => {
  const type = prediction.type;
  if (schedule.type === 'edm' && type !== 'edm') {
    return (
      `diffusion.schedule is edm, whose images have a standard deviation of up to sigmaMax, but diffusion.prediction is ${type}, ` +
      'which does not scale the input of the network. Set diffusion.prediction=edm, or another diffusion.schedule.'
    );
  }
  if (schedule.type === 'flow' && type === 'epsilon') {
    return (
      'diffusion.schedule is flow, which starts at pure noise: there, epsilon is the input itself and says nothing about the ' +
      'image. Set diffusion.prediction=flow (or x0, v), or a discrete diffusion.schedule such as linear.'
    );
  }
  return undefined;
};

const checkLoss: Check = ({ diffusion: { schedule, prediction, loss }, lossWeighting }) => {
  const space = loss?.type ?? prediction.type;
  const field = loss === null ? 'diffusion.prediction' : 'diffusion.loss';
  if (schedule.type === 'flow' && space === 'v' && lossWeighting.type !== 'constant') {
    return (
      `lossWeighting ${lossWeighting.type} is a weight for the v of variance-preserving schedules, but diffusion.schedule is ` +
      `flow. Set lossWeighting=constant, or ${field}=flow.`
    );
  }
  if (schedule.type !== 'flow' || loss === null || loss.maxWeight !== undefined) return undefined;
  if (prediction.type !== 'x0' || loss.type === 'x0') return undefined;
  return (
    `The error of ${loss.type} is the error of diffusion.prediction x0 times a factor without bound near the clean end of ` +
    `diffusion.schedule flow. Set diffusion.loss.maxWeight, such as 400 (JiT's), or diffusion.loss=null.`
  );
};

const checkVariance: Check = ({ diffusion: { schedule, prediction, variance } }) => {
  if (variance === null) return undefined;
  if (schedule.type === 'flow' || schedule.type === 'edm') {
    return (
      `diffusion.variance is learnedRange, an interpolation between the variances of a discrete step, but diffusion.schedule ` +
      `is ${schedule.type}, which has none. Set diffusion.variance=null, or a discrete diffusion.schedule such as linear.`
    );
  }
  if (prediction.type !== 'edm') return undefined;
  return (
    'diffusion.variance is learnedRange, whose bound takes x_t itself, but diffusion.prediction edm scales the input of the ' +
    'network. Set diffusion.prediction to epsilon, x0 or v, or diffusion.variance=null.'
  );
};

const checkTimeEmbedding: Check = ({ model, diffusion: { schedule, timesteps } }) => {
  if (model.type !== 'unet') return undefined;
  if (model.time_embedding_type === 'fourier' && schedule.type !== 'flow') {
    return (
      'model.time_embedding_type is fourier, which takes the logarithm of the time, but with diffusion.schedule ' +
      `${schedule.type} times may be ${schedule.type === 'edm' ? 'negative' : '0'}. Set model.time_embedding_type=positional, or ` +
      'diffusion.schedule=flow.'
    );
  }
  if (model.time_embedding_type !== 'learned') return undefined;
  if (schedule.type === 'flow' || schedule.type === 'edm') {
    return (
      `model.time_embedding_type is learned, a table with one row per timestep, but diffusion.schedule is ${schedule.type}, in ` +
      'continuous time. Set model.time_embedding_type=positional, or a discrete diffusion.schedule such as linear.'
    );
  }
  const rows = model.num_train_timesteps ?? timesteps;
  if (rows >= timesteps) return undefined;
  return (
    `diffusion.timesteps is ${timesteps}, but the learned time embedding has ${rows} rows. Set model.num_train_timesteps=` +
    `${timesteps}, or diffusion.timesteps to at most ${rows}.`
  );
};

/** The paths of each process in continuous time. */
const paths: Readonly<Record<string, readonly string[]>> = { flow: ['flow'], edm: ['edm', 'karras'] };

const checkPath: Check = ({ diffusion: { schedule }, sampler: { path } }) => {
  const possible = paths[schedule.type];
  if (possible === undefined) return undefined;
  if (!possible.includes(path.type)) {
    return (
      `sampler.path is ${path.type}, but diffusion.schedule is ${schedule.type}, in continuous time. Set sampler.path=` +
      `${possible.join(' or ')}.`
    );
  }
  if (path.final !== 'first') return undefined;
  return (
    `sampler.path.final is first, the noise of timestep 0, but diffusion.schedule ${schedule.type} has no timesteps. Set ` +
    'sampler.path.final=clean, or omit it.'
  );
};
