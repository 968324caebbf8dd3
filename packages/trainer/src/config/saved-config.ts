/** The saved configuration of a run, and the hash that identifies it. */
import * as z from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkValue } from '../files/check-value.js';
import { sha256 } from '../files/hash.js';
import type { RunFolder } from '../run/run-folder.js';
import { configFile, readConfigFile } from './config-file.js';
import { isObject, type Json } from './json.js';
import { isOfFormerShape } from './migration.js';
import { resolveConfig, type Layer } from './resolve.js';
import { trainingPart, type Config, type PartialConfig } from './schema.js';

/**
 * Fields that affect the weights and were added after the first checkpoints were written, by path, with the value that
 * reproduces the behavior before the field existed. An older run is read as if it had that value, and a field with that
 * value is left out of the hash, so the run's checkpoints still match its configuration. Every new field of this kind
 * needs an entry; the test of old checkpoints fails without it. A path `part[type].field` applies to that type only.
 */
const addedFields: Readonly<Record<string, unknown>> = {
  'optimizer[muon].orthogonalize': 'all',
  imageResize: 'libvips',
  holdOut: null,
  timestepDraws: 'independent',
  emaSnapshots: null,
  'diffusion.loss': null,
  'diffusion.variance': null,
};

/**
 * The configuration that the run was started with, migrated if an older version wrote it.
 *
 * @throws {UserError} if it is missing or damaged
 */
export function savedConfig(run: RunFolder): Layer {
  const { source, value } = configFile(run.config);
  return { source, value: withFormerBehavior(value) };
}

/** The configuration of a run, with the values that reproduce its behavior for fields that are newer than the run. */
export function withFormerBehavior(config: PartialConfig): PartialConfig {
  return withFormerPath(withFormerResize(withAddedFields(config, addedFields)));
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

/** Runs older than `sampler.path` keep leading spacing, even with zero terminal SNR, so that their images stay the same. */
function withFormerPath(config: PartialConfig): PartialConfig {
  const { sampler } = config;
  if (!isObject(sampler) || Object.hasOwn(sampler, 'path')) return config;
  return { ...config, sampler: { ...sampler, path: { type: 'discrete', spacing: 'leading' } } };
}

/** Writes the config.json of a run. */
export function saveConfig(run: RunFolder, config: Config): void {
  atomicWriteFile(run.config, `${JSON.stringify(config, null, 2)}\n`);
}

/**
 * SHA-256 of the part of the configuration that determines the weights. It does not depend on the order of fields or on
 * added fields (see `addedFields`) that have their original behavior.
 */
export function trainingHash(config: Config): string {
  return hashOf(withoutAddedFields(trainingPart(config), addedFields));
}

/** Whether a checkpoint of the run, with `configSha256` from its manifest, was trained with `config`. */
export function isTrainedUnder(config: Config, configSha256: string, run: RunFolder): boolean {
  const hash = trainingHash(config);
  if (configSha256 === hash) return true;
  const { formerConfigSha256, extensions = [] } = readHistory(run);
  const earlier = [formerConfigSha256, ...extensions.map((extension) => extension.configSha256)];
  return earlier.includes(configSha256) && trainingHash(resolveConfig([savedConfig(run)])) === hash;
}

/** Under which configurations, other than that in config.json, checkpoints of the run were written. */
export interface TrainingHistory {
  /** The hash in checkpoints by versions with the old configuration format, for a run that such a version trained. */
  readonly formerConfigSha256?: string;
  /** The extensions of the run after it had finished, oldest first. */
  readonly extensions?: readonly Extension[];
}

const extension = z.object({ totalSteps: z.int().min(1), configSha256: z.string() });

/** `totalSteps` of a run before it was extended, and the hash in its checkpoints up to that step. */
export type Extension = z.infer<typeof extension>;

const history = z.object({
  formerConfigSha256: z.string().exactOptional(),
  extensions: z.array(extension).exactOptional(),
});

/** The history in `recorded` of the run's config.json. */
export function readHistory(run: RunFolder): TrainingHistory {
  const config = readConfigFile(run.config);
  if (isOfFormerShape(config)) return { formerConfigSha256: hashOfFormerShape(config) };
  return checkValue(history, config['recorded'] ?? {}, `${run.config}: recorded`);
}

/** The history of a run that is extended now. */
export function withExtension(before: TrainingHistory, now: Extension): TrainingHistory {
  return { ...before, extensions: [...(before.extensions ?? []), now] };
}

/** The hash as computed by the versions that wrote the old format. */
function hashOfFormerShape(config: Json): string {
  const part = Object.entries(config).filter(([key]) => !formerlyFreeOnResume.includes(key));
  return hashOf(withoutAddedFields(Object.fromEntries(part), formerlyAddedFields));
}

/** `freeOnResume` of the old format, and fields that did not affect training. */
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

/** `addedFields` of the old format. */
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

/** `config` with the `added` fields that it lacks, if it has the object that they belong to. */
export function withAddedFields<T extends object>(config: T, added: Readonly<Record<string, unknown>>): T {
  const filled = structuredClone(config);
  for (const [path, value] of Object.entries(added)) {
    const { parent, key } = placeOf(filled, path);
    if (parent !== undefined && !Object.hasOwn(parent, key)) parent[key] = value;
  }
  return filled;
}

/** `config` without the `added` fields that have the value given there. */
export function withoutAddedFields<T extends object>(config: T, added: Readonly<Record<string, unknown>>): T {
  const rest = structuredClone(config);
  for (const [path, value] of Object.entries(added)) {
    const { parent, key } = placeOf(rest, path);
    if (parent !== undefined && JSON.stringify(parent[key]) === JSON.stringify(value)) delete parent[key];
  }
  return rest;
}

/** The last name of `path`, and the object in `config` that has it as a field (undefined if there is none). */
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
