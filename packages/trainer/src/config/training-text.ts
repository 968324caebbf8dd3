/** Which part of a configuration identifies a training, and how configurations of older versions are read. */
import { isObject } from './json.js';
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
  latents: null,
  timestepDraws: 'independent',
  emaSnapshots: null,
  normalizeLossWeights: false,
  noiseCandidates: 1,
  'curriculum[clts].coordinateDefaults': false,
  'curriculum[cltsReversed].coordinateDefaults': false,
  'curriculum[cltsTimeAverage].coordinateDefaults': false,
  'curriculum[cltsCorrected].coordinateDefaults': false,
  'curriculum[cltsLogSnr].coordinateDefaults': false,
  'curriculum[cltsWide].coordinateDefaults': false,
  'diffusion.loss': null,
  'diffusion.variance': null,
  precision: 'f32',
  gradScaler: {},
};

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

/**
 * The part of the configuration that determines the weights, as text; `configSha256` of a checkpoint is its hash. It does
 * not depend on the order of fields or on added fields (see `addedFields`) that have their original behavior.
 */
export function trainingText(config: Config): string {
  return textOf(withoutAddedFields(trainingPart(config), addedFields));
}

/** A part of a configuration as text that does not depend on the order of its fields. */
export function textOf(part: object): string {
  return JSON.stringify(sorted(part));
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
