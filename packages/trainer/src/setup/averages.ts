/** The averages (EMAs) of the weights that a run maintains, at least one. */
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

/** An average of the weights. Its initial value is a copy of the parameters. */
export interface Average {
  /** Name of its vector [P] in the state and of its file: `ema` for the first, `ema-<name>` or `snapshot-<width>`. */
  readonly name: string;
  /** EMA decay at optimizer step `step` (from 0). */
  decay(this: void, step: number): number;
  /** Inputs of `update`; their names are prefixed by the average's name. */
  scalars(this: void, step: number): Scalars;
  /** The new average, given the old one and the parameters and slots after the optimizer's step. */
  update(this: void, average: tf.Tensor, params: tf.Tensor, slots: Tensors, inputs: Tensors): tf.Tensor;
}

/** The name in the state and in checkpoint files of an entry in `config.extraEmas`: `ema-<name>`. */
function averageName(name: string): string {
  return name === 'ema' ? name : `ema-${name}`;
}

/**
 * The checkpoint file name of `--weights <which>`: `ema` (default), a name in `config.extraEmas`, or `raw` for the weights
 * without averaging.
 *
 * @throws {UserError} if the name is unknown; the message lists the known ones
 */
export function weightsFile({ extraEmas }: Pick<Config, 'extraEmas'>, which = 'ema'): string {
  const known = ['ema', ...Object.keys(extraEmas), 'raw'];
  if (!known.includes(which))
    throw new UserError(`weights ${which} is unknown. ${suggestion(which, known)}`, { code: 'OPTION_UNKNOWN' });
  return weightsName(which);
}

/** Like `weightsFile`, but does not check whether the average exists. */
export function weightsName(which = 'ema'): string {
  return which === 'raw' ? 'model' : averageName(which);
}

/**
 * The averages: `ema` first, then the entries of `extraEmas` in their order, then the `emaSnapshots`.
 *
 * @throws {UserError} if the optimizer does not support the type of an average
 */
export function createAverages(config: Config, optimizer: Optimizer): readonly Average[] {
  const named = [['ema', config.ema] as const, ...Object.entries(config.extraEmas)];
  checkScheduleFree(config);
  return [
    ...named.map(([name, options]) => createAverage(averageName(name), options, config, optimizer)),
    ...snapshotWidths(config).map((relativeStd) =>
      createAverage(snapshotName(relativeStd), { type: 'karras', relativeStd }, config, optimizer),
    ),
  ];
}

/** Relative standard deviations of the averages that are stored as snapshots. */
export function snapshotWidths({ emaSnapshots }: Pick<Config, 'emaSnapshots'>): readonly number[] {
  return emaSnapshots === null ? [] : [...new Set(emaSnapshots.relativeStds ?? [0.05, 0.1])];
}

/** The name in the state, and of its file in a checkpoint, of an average that is stored as snapshots. */
export const snapshotName = (relativeStd: number): string => `snapshot-${relativeStd}`;

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

/** x of Defazio et al. 2024, arXiv:2405.15682, the weights for sampling after schedule-free training; a slot of the optimizer. */
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
      `An average of type scheduleFree needs the optimizer scheduleFreeAdamW, but the optimizer is ${optimizer.type}: ` +
        'choose another type (ema.type=power, ema.decay=0.999, ema.power=0.67).',
      { code: 'CONFIG_INVALID' },
    );
  }
  if (isKept && !isUsed) {
    throw new UserError(
      'The optimizer scheduleFreeAdamW needs an average of type scheduleFree: set ema.type=scheduleFree, or add an entry ' +
        'of that type to extraEmas.',
      { code: 'CONFIG_INVALID' },
    );
  }
}
