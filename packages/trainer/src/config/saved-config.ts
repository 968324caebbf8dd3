/** The configuration that a run saved, and what identifies it. */
import { atomicWriteFile } from '../files/atomic-write.js';
import { sha256 } from '../files/hash.js';
import type { RunFolder } from '../run/run-folder.js';
import { configFile, readConfigFile } from './config-file.js';
import { isObject, type Json } from './json.js';
import { isOfFormerShape } from './migration.js';
import { resolveConfig, type Layer } from './resolve.js';
import { trainingPart, type Config, type PartialConfig } from './schema.js';

/**
 * Fields that decide the weights and that are younger than the first checkpoints, by path, with the value that stands
 * for what was done before there was the field. A run from then is read as if it said so, and a field of that value is
 * left out of the hash: its checkpoints stay those of its configuration. Whoever adds such a field adds a line here;
 * the test of old checkpoints fails until then. `part[type].field` is a field of that type of a part alone.
 */
const addedFields: Readonly<Record<string, unknown>> = {
  'optimizer[muon].orthogonalize': 'all',
};

/**
 * The configuration that the run was begun with, also by an older version.
 *
 * @throws {UserError} if it is missing or damaged
 */
export function savedConfig(run: RunFolder): Layer {
  const { source, value } = configFile(run.config);
  return { source, value: withFormerPath(withFormerResize(withAddedFields(value, addedFields))) };
}

/** Runs older than `evaluation.extractor.resize` measured with `libvips`: their metrics stay comparable. */
function withFormerResize(config: PartialConfig): PartialConfig {
  const { evaluation } = config;
  const extractor = isObject(evaluation) ? evaluation.extractor : undefined;
  if (!isObject(extractor) || Object.hasOwn(extractor, 'resize')) return config;
  const wasAntialiased = extractor['type'] === 'mobilenet' || extractor['type'] === 'random';
  return wasAntialiased
    ? { ...config, evaluation: { ...evaluation, extractor: { ...extractor, resize: 'libvips' } } }
    : config;
}

/** Runs older than `sampler.path` sample with leading spacing, also with zero terminal SNR: their images stay the same. */
function withFormerPath(config: PartialConfig): PartialConfig {
  const { sampler } = config;
  if (!isObject(sampler) || Object.hasOwn(sampler, 'path')) return config;
  return { ...config, sampler: { ...sampler, path: { type: 'discrete', spacing: 'leading' } } };
}

/** Writes config.json. */
export function saveConfig(run: RunFolder, config: Config): void {
  atomicWriteFile(run.config, `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * SHA-256 of the part of the configuration that decides the weights. Neither the order of fields matters, nor whether
 * there are fields yet that say what was always done.
 */
export function trainingHash(config: Config): string {
  return hashOf(withoutAddedFields(trainingPart(config), addedFields));
}

/** Whether a checkpoint of the run, whose manifest says `configSha256`, was trained under `config`. */
export function isTrainedUnder(config: Config, configSha256: string, run: RunFolder): boolean {
  const hash = trainingHash(config);
  if (configSha256 === hash) return true;
  return configSha256 === formerTrainingHash(run) && trainingHash(resolveConfig([savedConfig(run)])) === hash;
}

/**
 * The hash that checkpoints of the run have from versions whose configurations had another shape; undefined for a run
 * that no such version trained.
 */
export function formerTrainingHash(run: RunFolder): string | undefined {
  const config = readConfigFile(run.config);
  if (isOfFormerShape(config)) return hashOfFormerShape(config);
  const recorded = config['recorded'];
  const former = isObject(recorded) ? recorded['formerConfigSha256'] : undefined;
  return typeof former === 'string' ? former : undefined;
}

/** As the versions computed it that wrote configurations of the former shape. */
function hashOfFormerShape(config: Json): string {
  const part = Object.entries(config).filter(([key]) => !formerlyFreeOnResume.includes(key));
  return hashOf(withoutAddedFields(Object.fromEntries(part), formerlyAddedFields));
}

/** `freeOnResume` of the former shape, and what was no part of a training. */
const formerlyFreeOnResume: readonly string[] = [
  'preset',
  'recorded',
  'recompute',
  'accumulate',
  'data',
  'skipBad',
  'timeBudget',
  'stepBudget',
  'imageBudget',
  'skipLimit',
  'engine',
  'device',
  'threads',
  'logEvery',
  'tensorboard',
  'sampleEvery',
  'samples',
  'sampler',
  'evalEvery',
  'evalSamples',
  'evalMetrics',
  'evalExtractor',
  'evalWeights',
  'probe',
  'checkpointEvery',
  'checkpointMinutes',
  'checkpointOverlap',
  'keep',
  'out',
];

/** `addedFields` of the former shape. */
const formerlyAddedFields: Readonly<Record<string, unknown>> = {
  crop: null,
  labelDropout: null,
  uncertainty: null,
  'optimizer.name': 'adamW',
  'optimizer.params': {},
  'optimizer.schedule': { name: 'constant' },
  'optimizer.decayGroups': ['matrix', 'vector', 'embedding'],
  'ema.type': 'power',
  emas: {},
};

function hashOf(part: object): string {
  return sha256(JSON.stringify(sorted(part)));
}

/** `config` with the fields that it has not, where it has the object that they belong to. */
export function withAddedFields<T extends object>(config: T, added: Readonly<Record<string, unknown>>): T {
  const filled = structuredClone(config);
  for (const [path, value] of Object.entries(added)) {
    const { parent, key } = placeOf(filled, path);
    if (parent !== undefined && !Object.hasOwn(parent, key)) parent[key] = value;
  }
  return filled;
}

/** `config` without the fields that have the value of before. */
export function withoutAddedFields<T extends object>(config: T, added: Readonly<Record<string, unknown>>): T {
  const rest = structuredClone(config);
  for (const [path, value] of Object.entries(added)) {
    const { parent, key } = placeOf(rest, path);
    if (parent !== undefined && JSON.stringify(parent[key]) === JSON.stringify(value)) delete parent[key];
  }
  return rest;
}

/** The object in `config` that the last name of `path` is a field of, where there is one. */
function placeOf(config: object, path: string): { parent: Record<string, unknown> | undefined; key: string } {
  const names = path.split('.');
  const key = names.pop()!;
  const parent = names.reduce<unknown>(partOf, config);
  return { parent: isObject(parent) ? parent : undefined, key };
}

/** The field `name` of an object, or of `name[type]` if it is a part of that type. */
function partOf(value: unknown, name: string): unknown {
  const [key = '', type] = name.split(/[[\]]/);
  const part = isObject(value) ? value[key] : undefined;
  return type === undefined || (isObject(part) && part['type'] === type) ? part : undefined;
}

function sorted(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key])]),
  );
}
