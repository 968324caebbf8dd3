/** From presets, files and flags to one complete, valid configuration. */
import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { configSchema, type Config, type PartialConfig } from './schema.js';
import { messageOf, UserError } from '../errors.js';
import { nearest, suggestion } from './suggestion.js';
import { defaultPreset, presets } from './presets.js';

type Json = Record<string, unknown>;

/** Part of a configuration and where it came from, for errors: `--batch-size`, `config.json`. */
export interface Layer {
  readonly source: string;
  readonly value: PartialConfig;
}

/**
 * Lays `layers` over a preset, the last one on top: objects are merged field by field, all else is replaced. Where a
 * layer names another kind of part (`model.type`, `curriculum.name`, `weighting.name`) the options of the former kind
 * are dropped. The preset is the topmost one named, `mnist` where none is. Throws a UserError that lists every unknown
 * name, with the nearest known one, or every impossible value, with its source.
 */
export function resolveConfig(layers: readonly Layer[] = []): Config {
  const unknown = layers.flatMap((l) => unknownKeys(configSchema, l.value as Json, []).map((e) => `${l.source}: ${e}`));
  if (unknown.length > 0) throw new UserError(unknown.join('\n'));

  const name = layers.findLast((l) => l.value.preset !== undefined)?.value.preset ?? defaultPreset;
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset === undefined) throw new UserError(`Unknown preset "${name}". ${suggestion(name, Object.keys(presets))}`);

  let merged: Json = { ...preset, preset: name };
  for (const { value } of layers) merged = merge(merged, withoutUndefined(value));
  merged.preset = name;
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    throw new UserError(parsed.error.issues.map((issue) => describe(issue, merged, layers)).join('\n'));
  }
  return parsed.data;
}

/** Reads a layer from a JSON file, or from YAML where its name says so. Throws a UserError where it is missing, damaged or no object. */
export function configFile(path: string): Layer {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`The configuration file cannot be read: ${messageOf(error)}`);
  }
  const isYaml = /\.ya?ml$/i.test(path);
  let value: unknown;
  try {
    value = isYaml ? parseYaml(text) : JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not ${isYaml ? 'YAML' : 'JSON'}: ${messageOf(error)}`);
  }
  if (isObject(value)) {
    const { $schema: _forEditors, ...fields } = value;
    return { source: path, value: fields };
  }
  throw new UserError(
    isYaml
      ? `${path} must hold fields, such as "batchSize: 32".`
      : `${path} must hold a JSON object, such as {"batchSize": 32}.`,
  );
}

/**
 * A layer from `path.to.field=value`, as `--set` takes it; the value is JSON where it parses, else a string. Throws a
 * UserError where there is no `=`.
 */
export function assignment(text: string): Layer {
  const at = text.indexOf('=');
  if (at < 1) throw new UserError(`--set ${text}: must have the form field=value, such as optimizer.lr=0.0002.`);
  let value: unknown = text.slice(at + 1);
  try {
    value = JSON.parse(value as string);
  } catch {
    // Not JSON: a plain string, such as engine=tfjs-cpu.
  }
  return { source: `--set ${text}`, value: nest(text.slice(0, at).split('.'), value) };
}

/** {a: {b: value}} from ['a', 'b']. */
export function nest(path: readonly string[], value: unknown): Json {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Json;
}

/** Fields that say which kind of part an object describes. */
const tags = ['type', 'name'];

function merge(base: Json, over: Json): Json {
  const merged: Json = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    if (!isObject(value) || !isObject(old)) merged[key] = value;
    else merged[key] = merge(isOtherKind(old, value) ? emptied(old) : old, value);
  }
  return merged;
}

function isOtherKind(old: Json, value: Json): boolean {
  return tags.some((tag) => old[tag] !== undefined && value[tag] !== undefined && old[tag] !== value[tag]);
}

/** Where a part keeps the options of its kind, if it has others beside them. */
const ownOptions = ['params', 'config'];
/** What samplers of every kind have. */
const common = ['steps', 'guidance', 'guidanceInterval'];

/** What stays of a part whose kind changes: all but its `params` or `config`; of a part without these, what all kinds have. */
function emptied(old: Json): Json {
  const own = ownOptions.filter((key) => isObject(old[key]));
  if (own.length > 0) return { ...old, ...Object.fromEntries(own.map((key) => [key, {}])) };
  return Object.fromEntries(Object.entries(old).filter(([key]) => common.includes(key)));
}

function withoutUndefined(value: Json): Json {
  return Object.fromEntries(
    Object.entries(value).flatMap(([k, v]) => (v === undefined ? [] : [[k, isObject(v) ? withoutUndefined(v) : v]])),
  );
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownKeys(schema: unknown, value: unknown, path: readonly string[]): string[] {
  if (!(schema instanceof z.ZodObject) || !isObject(value)) return [];
  const known = Object.keys(schema.shape);
  return Object.entries(value).flatMap(([key, inner]) => {
    if (known.includes(key)) return unknownKeys(schema.shape[key], inner, [...path, key]);
    return [`unknown field "${[...path, key].join('.')}". ${suggestion(key, known)}`];
  });
}

/** One line for one impossible value: which, what it must be, what it is and who said so. */
function describe(issue: z.core.$ZodIssue, merged: Json, layers: readonly Layer[]): string {
  const at = (root: unknown) => issue.path.reduce<unknown>((v, k) => (isObject(v) ? v[String(k)] : undefined), root);
  const field = issue.path.join('.');
  const value = at(merged);
  const source = layers.findLast((l) => at(l.value) !== undefined)?.source;
  const got = `got ${value === undefined ? 'nothing' : JSON.stringify(value)}${source === undefined ? '' : ` (${source})`}`;
  return `${field === '' ? 'The configuration' : field} ${demand(issue, value)}, ${got}.`;
}

function demand(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'too_small':
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'a whole number' : `of type ${issue.expected}`}`;
    case 'invalid_value': {
      const known = issue.values.map(String);
      const near = nearest(String(value), known);
      return `must be one of ${known.join(', ')}${near === undefined ? '' : ` (perhaps "${near}")`}`;
    }
    case 'unrecognized_keys':
      return `has no field ${issue.keys.map((k) => `"${k}"`).join(', ')}`;
    default:
      return `is not possible (${issue.message})`;
  }
}
