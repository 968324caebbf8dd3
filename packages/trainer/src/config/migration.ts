/** Configurations of the shape that was written before every part was `{ type, ...options }`. */
import { UserError } from '../errors.js';
import { isObject, type Json } from './json.js';

/** Fields by their former path, in the order in which they move; an object moves into what is there already. */
const moved: readonly (readonly [from: string, to: string])[] = [
  ['model.config', 'model'],
  ['diffusion.sigmaData', 'diffusion.prediction.sigmaData'],
  ['diffusion.betas', 'diffusion.schedule.betas'],
  ['diffusion.betaStart', 'diffusion.schedule.betaStart'],
  ['diffusion.betaEnd', 'diffusion.schedule.betaEnd'],
  ['diffusion.zeroTerminalSnr', 'diffusion.schedule.zeroTerminalSnr'],
  ['curriculum.name', 'curriculum.type'],
  ['curriculum.params.lamMax', 'curriculum.lambdaMax'],
  ['curriculum.params', 'curriculum'],
  ['weighting.name', 'lossWeighting.type'],
  ['weighting', 'lossWeighting'],
  ['optimizer.name', 'optimizer.type'],
  ['optimizer.params.lr', 'optimizer.matrixLr'],
  ['optimizer.params.momentum', 'optimizer.matrixMomentum'],
  ['optimizer.params', 'optimizer'],
  ['optimizer.schedule.name', 'optimizer.lrSchedule.type'],
  ['optimizer.schedule', 'optimizer.lrSchedule'],
  ['optimizer.compensate', 'optimizer.momentumDecay.compensate'],
  ['optimizer.clip', 'optimizer.maxGradNorm'],
  ['emas', 'extraEmas'],
  ['recompute', 'activationCheckpointing'],
  ['accumulate', 'gradientAccumulation'],
  ['timeBudget', 'budgets.seconds'],
  ['stepBudget', 'budgets.steps'],
  ['imageBudget', 'budgets.images'],
  ['skipLimit', 'maxSkippedSteps'],
  ['sampler.name', 'sampler.type'],
  ['evalEvery', 'evaluation.every'],
  ['evalSamples', 'evaluation.samples'],
  ['evalMetrics', 'evaluation.metrics'],
  ['evalExtractor', 'evaluation.extractor.type'],
  ['evalWeights', 'evaluation.extractor.weights'],
  ['checkpointEvery', 'checkpoints.every'],
  ['checkpointMinutes', 'checkpoints.minutes'],
  ['checkpointOverlap', 'checkpoints.overlap'],
  ['keep', 'checkpoints.keepLast'],
];

/** What a field of a former path is called now: `lossWeighting` for `weighting`. */
export const renamedFields: Readonly<Record<string, string>> = Object.fromEntries(moved);

const engines: Readonly<Record<string, string>> = { cpu: 'tfjs-cpu', wasm: 'tfjs-wasm', webgpu: 'tfjs-webgpu' };

/** Today's name of an engine that a run or a checkpoint may name by its former one. */
export function engineNameNow(name: string): string {
  return Object.hasOwn(engines, name) ? engines[name]! : name;
}

/** Values that were written otherwise, by the path that their field has now. */
const values: Readonly<Record<string, (value: unknown) => unknown>> = {
  'crop.at': (at) => (at === 'centre' ? 'center' : at),
  engine: (name) => (typeof name === 'string' ? engineNameNow(name) : name),
  'recorded.engine.name': (name) => (typeof name === 'string' ? engineNameNow(name) : name),
  activationCheckpointing: (which) => (typeof which === 'string' ? which === 'blocks' : which),
  'optimizer.momentumDecay': (decay) => {
    if (decay === false || (isObject(decay) && decay['type'] === false)) return null;
    if (decay === true) return { type: 'demon' };
    return isObject(decay) && decay['type'] === true ? { ...decay, type: 'demon' } : decay;
  },
};

/** Fields that no configuration of the former shape has. */
const onlyNow = [
  'diffusion.schedule.type',
  'diffusion.prediction.type',
  'curriculum.type',
  'lossWeighting',
  'optimizer.type',
  'optimizer.lrSchedule',
  'optimizer.momentumDecay.type',
  'optimizer.maxGradNorm',
  'extraEmas',
  'activationCheckpointing',
  'gradientAccumulation',
  'budgets',
  'maxSkippedSteps',
  'sampler.type',
  'evaluation',
  'checkpoints',
];

/** Names and values of the former shape in `config`, each with what it is now; empty for one of today's shape. */
function formerNames(config: Json): string[] {
  const names = moved
    .filter(([from]) => valueAt(config, from) !== undefined)
    .map(([from, to]) => `${from} is now ${to}`);
  const written = Object.entries(values).flatMap(([path, now]) => {
    const value = valueAt(config, path);
    const text = JSON.stringify(now(value));
    return text === JSON.stringify(value) ? [] : [`${path} ${JSON.stringify(value)} is now ${text}`];
  });
  return [...names, ...written];
}

/** Whether `config` has the former shape, in whole or in part. */
export function isOfFormerShape(config: Json): boolean {
  return formerNames(config).length > 0;
}

/**
 * `config` in today's shape, in whole or in part; itself if it has that shape already. `source` names it in errors.
 *
 * @throws {UserError} if it mixes names of both shapes
 */
export function migrateConfig(config: Json, source: string): Json {
  const former = formerNames(config);
  if (former.length === 0) return config;
  const mixed = onlyNow.filter((path) => valueAt(config, path) !== undefined);
  if (mixed.length > 0) {
    throw new UserError(
      `${source} mixes former names of fields with today's, such as ${mixed[0]}. Use today's alone: ${former.join('; ')}.`,
      { code: 'CONFIG_INVALID' },
    );
  }
  const migrated = structuredClone(config);
  for (const [from, to] of moved) {
    const value = take(migrated, from);
    if (value !== undefined) put(migrated, to, value);
  }
  for (const [path, now] of Object.entries(values)) {
    const value = valueAt(migrated, path);
    if (value !== undefined) put(migrated, path, now(value), true);
  }
  return migrated;
}

function valueAt(config: Json, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (isObject(value) ? value[key] : undefined), config);
}

/** Removes a field and returns its value. */
function take(config: Json, path: string): unknown {
  const keys = path.split('.');
  const key = keys.pop()!;
  const parent = keys.length === 0 ? config : valueAt(config, keys.join('.'));
  if (!isObject(parent)) return undefined;
  const { [key]: value } = parent;
  delete parent[key];
  return value;
}

/** Sets a field. What it belongs to is made an object, with what stood there as its type; an object joins another one. */
function put(config: Json, path: string, value: unknown, isReplaced = false): void {
  const keys = path.split('.');
  const key = keys.pop()!;
  let parent = config;
  for (const name of keys) {
    const inner = parent[name];
    if (!isObject(inner)) parent[name] = inner === undefined ? {} : { type: inner };
    parent = parent[name] as Json;
  }
  const before = parent[key];
  parent[key] = !isReplaced && isObject(before) && isObject(value) ? { ...before, ...value } : value;
}
