/** Merges a preset, files and flags into one complete, valid configuration. */
import { z } from 'zod';
import { problemLines, UserError } from '../errors.js';
import { isObject, type Json } from './json.js';
import { renamedFields } from './migration.js';
import { defaultPreset, presets } from './presets.js';
import { commonFields, fieldOf, objectsOfType, typesOf } from './schema-fields.js';
import { configSchema, type Config, type PartialConfig } from './schema.js';
import { nearest, suggestion } from './suggestion.js';

/** A partial configuration and its source for error messages, such as `--batch-size` or `config.json`. */
export interface Layer {
  readonly source: string;
  readonly value: PartialConfig;
  /** A note for the user, such as that it was migrated. */
  readonly note?: string;
}

/**
 * Merges `layers` over a preset; later layers take precedence. Objects are merged field by field, everything else is
 * replaced. A plain string in place of a component is its type. If a layer selects another type of a component, the
 * options specific to the previous type are dropped, but not those that all types share (such as `lr` of an optimizer).
 * The preset is the last one named in a layer, or `mnist`.
 *
 * @throws {UserError} if fields are unknown (lists them all with suggestions) or values are invalid (lists them all with
 *   their source)
 */
export function resolveConfig(given: readonly Layer[] = []): Config {
  const layers = given.map(({ source, value }) => ({ source, value: normalized(value as Json, configSchema) }));
  const unknown = layers.flatMap((l) => unknownKeys(configSchema, l.value, []).map((key) => ({ ...key, ...l })));
  if (unknown.length > 0) {
    const lines = problemLines(unknown, (key) => `${key.source}: ${describeUnknown(key)}`);
    throw new UserError(lines, { code: 'CONFIG_UNKNOWN_FIELD' });
  }

  const name = layers.findLast((l) => l.value['preset'] !== undefined)?.value['preset'] ?? defaultPreset;
  const preset = typeof name === 'string' && Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset === undefined) {
    const text = typeof name === 'string' ? name : JSON.stringify(name);
    const hint = suggestion(text, Object.keys(presets));
    throw new UserError(`Unknown preset "${text}". ${hint}`, { code: 'CONFIG_INVALID' });
  }

  let merged: Json = { ...preset, preset: name };
  for (const { value } of layers) merged = merge(merged, value, configSchema);
  merged.preset = name;
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    const lines = problemLines(parsed.error.issues, (issue) => describe(issue, merged, layers));
    throw new UserError(lines, { code: 'CONFIG_INVALID' });
  }
  return parsed.data;
}

/**
 * Parses the argument of `--set`, `path.to.field=value`. A value that is not valid JSON is taken as a string.
 *
 * @throws {UserError} if there is no `=`
 */
export function assignment(text: string): Layer {
  const at = text.indexOf('=');
  if (at < 1)
    throw new UserError(`--set ${text}: must have the form field=value, such as optimizer.lr=0.0002.`, {
      code: 'CONFIG_INVALID',
    });
  let value: unknown = text.slice(at + 1);
  try {
    value = JSON.parse(value as string);
  } catch {
    // Not JSON: a plain string, such as engine=tfjs-cpu.
  }
  return { source: `--set ${text}`, value: nest(text.slice(0, at).split('.'), value) };
}

/** `{ a: { b: value } }` for the path `['a', 'b']`. */
export function nest(path: readonly string[], value: unknown): Json {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as Json;
}

/** `value` without undefined fields, and with components as objects: `'clts'` becomes `{ type: 'clts' }`. */
function normalized(value: Json, schema: unknown): Json {
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => {
      if (inner === undefined) return [];
      const field = fieldOf(schema, key);
      if (typeof inner === 'string' && typesOf(field).length > 0) return [[key, { type: inner }]];
      return [[key, isObject(inner) ? normalized(inner, field) : inner]];
    }),
  );
}

function merge(base: Json, over: Json, schema: unknown): Json {
  const merged: Json = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    const field = fieldOf(schema, key);
    merged[key] = isObject(value) && isObject(old) ? merge(kept(old, value, field), value, field) : value;
  }
  return merged;
}

/** The fields of `old` to keep under a layer: only shared ones if the layer selects another type. */
function kept(old: Json, value: Json, schema: unknown): Json {
  if (typesOf(schema).length === 0 || value['type'] === undefined || value['type'] === old['type']) return old;
  const common = commonFields(schema);
  return Object.fromEntries(Object.entries(old).filter(([key]) => common.includes(key)));
}

interface UnknownKey {
  readonly path: readonly string[];
  readonly key: string;
  readonly known: readonly string[];
}

function unknownKeys(schema: unknown, value: Json, path: readonly string[]): UnknownKey[] {
  const objects = objectsOfType(schema, value['type']);
  const known = [...new Set(objects.flatMap(({ shape }) => Object.keys(shape)))];
  // Fields of a model or a timestep schedule are checked when it is created.
  const isOpen = objects.length === 0 || objects.some(({ def }) => !(def.catchall instanceof z.ZodNever));
  return Object.entries(value).flatMap(([key, inner]) => {
    if (!isOpen && !known.includes(key)) return [{ path, key, known }];
    return isObject(inner) ? unknownKeys(fieldOf(schema, key), inner, [...path, key]) : [];
  });
}

function describeUnknown({ path, key, known }: UnknownKey): string {
  const field = [...path, key].join('.');
  const now = Object.hasOwn(renamedFields, field) ? renamedFields[field] : undefined;
  return `unknown field "${field}". ${now === undefined ? suggestion(key, known) : `It is now called ${now}.`}`;
}

/** One line per invalid value: the field, what it must be, what it is, and its source. */
function describe(issue: z.core.$ZodIssue, merged: Json, layers: readonly { source: string; value: Json }[]): string {
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
      return `must be ${issue.expected === 'int' ? 'an integer' : `of type ${issue.expected}`}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), value);
    case 'invalid_union': {
      const { options } = issue as { readonly options?: readonly unknown[] };
      return options === undefined ? `is not possible (${issue.message})` : oneOf(options.map(String), value);
    }
    case 'unrecognized_keys':
      return `${ofType(value)}has no field ${issue.keys.map((k) => `"${k}"`).join(', ')}`;
    default:
      return `is not possible (${issue.message})`;
  }
}

function oneOf(known: readonly string[], value: unknown): string {
  const near = typeof value === 'string' ? nearest(value, known) : undefined;
  return `must be one of ${known.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`;
}

function ofType(value: unknown): string {
  return isObject(value) && typeof value['type'] === 'string' ? `of type ${value['type']} ` : '';
}
