/** What a run must have in common with the one that it goes on with, and what is said where it does not. */
import type { Engine } from '@dm/ops';
import { latestValid, type Checkpoint } from './checkpoint.js';
import { sha256 } from '../files/hash.js';
import { trainingPart, type Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import { configFile, resolveConfig, type Layer } from '../config/resolve.js';
import type { RunFolder } from '../run/run-folder.js';
import { optimizerFile } from './state.js';

/**
 * Fields that decide the weights and that are younger than the first checkpoints, by path, with the value that stands
 * for what was done before there was the field. A run from then is read as if it said so, and a field of that value is
 * left out of the hash: its checkpoints stay those of its configuration. Whoever adds such a field adds a line here;
 * the test of old checkpoints fails until then.
 */
const addedFields: Readonly<Record<string, unknown>> = {
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

/**
 * The configuration that the run was begun with, also by an older version. Throws a UserError where it is missing or
 * damaged.
 */
export function savedConfig(run: RunFolder): Layer {
  const { source, value } = configFile(run.config);
  return { source, value: withAddedFields(value, addedFields) };
}

/**
 * SHA-256 of the part of the configuration that decides the weights. Neither the order of fields matters, nor whether
 * there are fields yet that say what was always done.
 */
export function trainingHash(config: Config): string {
  return sha256(JSON.stringify(sorted(withoutAddedFields(trainingPart(config), addedFields))));
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
  const parent = names.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), config);
  return { parent: isObject(parent) ? parent : undefined, key };
}

/**
 * The newest valid checkpoint of a run, if there is one; invalid ones are noted. Throws a UserError if it belongs to
 * another training.
 */
export function findCheckpoint(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  dataSha256: string,
  note: (text: string) => void = () => {},
): Checkpoint | undefined {
  const { checkpoint, skipped } = latestValid(run.checkpoints);
  for (const { path, reason } of skipped) note(`skipped ${path}: ${reason}`);
  if (checkpoint === undefined) note(`no valid checkpoint in ${run.checkpoints}: starting from step 0`);
  else checkSameTraining(run, setup, engine, checkpoint, dataSha256, note);
  return checkpoint;
}

/**
 * Throws a UserError that names every field that differs where the checkpoint belongs to another training; notes
 * another engine, which changes the last bits only.
 */
function checkSameTraining(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  { manifest, path, files }: Checkpoint,
  dataSha256: string,
  note: (text: string) => void = () => {},
): void {
  if (!files.has(optimizerFile)) {
    throw new UserError(
      `${path} holds weights only, as dm import leaves them: there is no training to go on with. Start one from them ` +
        `in another folder: dm train --init-from ${run.path} --config ${run.config} --out <folder>.`,
    );
  }
  if (manifest.configSha256 !== trainingHash(setup.config)) {
    const before = resolveConfig([savedConfig(run)]);
    const changes = differences(trainingPart(before), trainingPart(setup.config));
    throw new UserError(
      `${path} belongs to another configuration; a resumed run must train as it began. ` +
        (changes.length > 0
          ? `Changed: ${changes.join('; ')}. Leave these out, or start a new run in another folder (--out).`
          : 'Its config.json was changed since. Start a new run in another folder (--out).'),
    );
  }
  if (manifest.dataSha256 !== dataSha256) {
    throw new UserError(
      `${path} was trained on other data: the SHA-256 of ${setup.dataset.name} is ${dataSha256}, ` +
        `then it was ${manifest.dataSha256}. Give the same data, or start a new run in another folder (--out).`,
    );
  }
  const now = { name: engine.name, info: engine.info };
  const changes = differences(manifest.engine, now);
  if (changes.length > 0) {
    note(`resumed on another engine than before (${changes.join('; ')}): the last bits of results may differ`);
  }
}

/** `field: before -> now` for each leaf that differs. */
export function differences(before: unknown, now: unknown, path = ''): string[] {
  if (isObject(before) && isObject(now)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    return keys.flatMap((key) => differences(before[key], now[key], path === '' ? key : `${path}.${key}`));
  }
  const [a, b] = [JSON.stringify(before) ?? 'nothing', JSON.stringify(now) ?? 'nothing'];
  return a === b ? [] : [`${path}: ${a} -> ${b}`];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sorted(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .toSorted()
      .map((key) => [key, sorted(value[key])]),
  );
}
