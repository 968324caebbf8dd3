/** Migration of configurations written before every component became `{ type, ...options }`. */
import { UserError } from '../errors.js';
import { isObject, type Json } from './json.js';

/** Renamed fields by old path, in the order of their renaming. An object is merged into one that is already there. */
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

/** The current path of a renamed field: `lossWeighting` for `weighting`. */
export const renamedFields: Readonly<Record<string, string>> = Object.fromEntries(moved);

const engines: Readonly<Record<string, string>> = { cpu: 'tfjs-cpu', wasm: 'tfjs-wasm', webgpu: 'tfjs-webgpu' };

/** The current name of an engine; runs and checkpoints may contain the old one. */
export function engineNameNow(name: string): string {
  return Object.hasOwn(engines, name) ? engines[name]! : name;
}

/** Conversions of values that were written differently, by the current path of their field. */
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

/** Fields that only the current format has. */
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

/** Old names and values in `config`, each with its replacement; empty if the format is current. */
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

/** Whether `config` contains names or values of the old format. */
export function isOfFormerShape(config: Json): boolean {
  return formerNames(config).length > 0;
}

/**
 * Converts `config`, which may be partial, to the current format; returns it as is if its format is current. `source`
 * names it in errors.
 *
 * @throws {UserError} if it mixes names of both formats
 */
export function migrateConfig(config: Json, source: string): Json {
  const former = formerNames(config);
  if (former.length === 0) return config;
  const mixed = onlyNow.filter((path) => valueAt(config, path) !== undefined);
  if (mixed.length > 0) {
    throw new UserError(
      `${source} mixes old field names with current ones, such as ${mixed[0]}. Use only current names: ${former.join('; ')}.`,
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

/**
 * Sets a field. A parent that is not an object becomes `{ type: <its value> }`. Unless `isReplaced`, an object is merged
 * into one that is already there.
 */
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
