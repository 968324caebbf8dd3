/** The averages of the weights that a run keeps: one at least, and any number at once. */
import {
  fixedEma,
  halfLifeEma,
  karrasEma,
  powerEma,
  rationalEma,
  scheduleFreeAverage,
  type Ema,
  type EmaModelOptions,
  type Optimizer,
  type Scalars,
} from '@dm/optim';
import { scope, type Tensors } from '@dm/ops';
import type * as tf from '@tensorflow/tfjs-core';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { suggestion } from '../config/suggestion.js';

/** One of them. It begins as a copy of the parameters. */
export interface Average {
  /** Of its vector [P] in the state, and of its file: `ema` for the first, `ema-<name>` for the others. */
  readonly name: string;
  /** Share of the old average that stays at optimizer step `step` (from 0). */
  decay(this: void, step: number): number;
  /** Inputs of `update`; their names begin with the average's. */
  scalars(this: void, step: number): Scalars;
  /** The average and the parameters and slots after the optimizer's step → the new average. */
  update(this: void, average: tf.Tensor, params: tf.Tensor, slots: Tensors, inputs: Tensors): tf.Tensor;
}

/** In the state and among the files of a checkpoint: `ema`, or `ema-<name>` for a name in `config.extraEmas`. */
function averageName(name: string): string {
  return name === 'ema' ? name : `ema-${name}`;
}

/**
 * What `--weights <which>` asks for, by its name among the files of a checkpoint: `ema` (default), a name in `config.extraEmas`,
 * or `raw`, the weights that are trained. Throws a UserError that names the known ones.
 */
export function weightsFile({ extraEmas }: Pick<Config, 'extraEmas'>, which = 'ema'): string {
  const known = ['ema', ...Object.keys(extraEmas), 'raw'];
  if (!known.includes(which))
    throw new UserError(`--weights ${which} is unknown. ${suggestion(which, known)}`, { code: 'OPTION_UNKNOWN' });
  return weightsName(which);
}

/** The same without a look at whether there are such. */
export function weightsName(which = 'ema'): string {
  return which === 'raw' ? 'model' : averageName(which);
}

/**
 * `ema` first, then those of `extraEmas` in their order.
 * @throws {UserError} on one that the optimizer has no use for
 */
export function createAverages(config: Config, optimizer: Optimizer): readonly Average[] {
  const named = [['ema', config.ema] as const, ...Object.entries(config.extraEmas)];
  checkScheduleFree(config);
  return named.map(([name, options]) => createAverage(averageName(name), options, config, optimizer));
}

function createAverage(name: string, options: Config['ema'], config: Config, optimizer: Optimizer): Average {
  if (options.type === 'scheduleFree') return scheduleFreeOf(name, config, optimizer);
  const { decay, scalars, update } = emaOf(options, config.batchSize);
  const rate = `${name}.rate`;
  return {
    name,
    decay,
    scalars: (step) => ({ [rate]: scalars(step)['emaRate']! }),
    update: (average, params, _slots, inputs) =>
      scope('ema', () => update(average, params, { emaRate: inputs[rate]! })),
  };
}

function emaOf(options: Exclude<Config['ema'], { type: 'scheduleFree' }>, batchSize: number): Ema {
  switch (options.type) {
    case 'power':
      return powerEma({
        ...emaModelOptions(options),
        power: options.power,
        ...(options.invGamma !== undefined && { invGamma: options.invGamma }),
      });
    case 'rational':
      return rationalEma(emaModelOptions(options));
    case 'fixed':
      return fixedEma(options.decay);
    case 'halfLife':
      return halfLifeEma({
        halfLifeImages: options.images,
        batchSize,
        ...(options.rampUp !== undefined && { rampUp: options.rampUp ?? Infinity }),
        ...(options.ramp !== undefined && { ramp: options.ramp }),
      });
    default:
      return karrasEma({ relativeStd: options.relativeStd });
  }
}

function emaModelOptions(options: Extract<Config['ema'], { type: 'power' | 'rational' }>): EmaModelOptions {
  const { decay: maxDecay, minDecay, updateAfterStep } = options;
  return {
    maxDecay,
    ...(minDecay !== undefined && { minDecay }),
    ...(updateAfterStep !== undefined && { updateAfterStep }),
  };
}

/** x of Defazio et al. 2024, arXiv:2405.15682: what schedule-free training is sampled from; the optimizer holds it already. */
function scheduleFreeOf(name: string, { optimizer }: Config, held: Optimizer): Average {
  const [beta1] = optimizer.betas;
  return {
    name,
    decay: (step) => held.scalars(step)['oneMinusShare']!,
    scalars: () => ({}),
    update: (_average, params, slots) => scope('ema', () => scheduleFreeAverage(params, slots['ahead']!, beta1)),
  };
}

function checkScheduleFree({ optimizer, ema, extraEmas }: Config): void {
  const isUsed = [ema, ...Object.values(extraEmas)].some(({ type }) => type === 'scheduleFree');
  const isKept = optimizer.type === 'scheduleFreeAdamW';
  if (isUsed && !isKept) {
    throw new UserError(
      `An average of type scheduleFree is kept by the optimizer scheduleFreeAdamW alone, and this one is ${optimizer.type}: ` +
        'choose another type (--set ema.type=power ema.decay=0.999 ema.power=0.67).',
      { code: 'CONFIG_INVALID' },
    );
  }
  if (isKept && !isUsed) {
    throw new UserError(
      'The optimizer scheduleFreeAdamW is sampled from its own average: add --set ema.type=scheduleFree, or one of that ' +
        'type to extraEmas.',
      { code: 'CONFIG_INVALID' },
    );
  }
}
