/** Merges a preset, files and flags into one complete, valid configuration. */
import { maxJsonDepth, parseJson } from '@dm/files';
import { ConfigError } from '@dm/models';
import * as z from 'zod';
import { messageOf, problemLines, UserError } from '../errors.js';
import { isObject, type Json } from './json.js';
import { isNote } from './model-schema.js';
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
  const layers = given.map(({ source, value }): NormalizedLayer => ({
    source,
    value: normalized(value as Json, configSchema),
  }));
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
    const problems = parsed.error.issues.flatMap(problemsOf);
    const lines = problemLines(problems, (problem) => describe(problem, merged, layers));
    throw new UserError(lines, { code: 'CONFIG_INVALID' });
  }
  for (const part of createdParts) sources.set(parsed.data[part], layers);
  return parsed.data;
}

/** Components whose options are checked further when they are created. */
const createdParts = ['model', 'curriculum'] as const;

/** The layers of these components of resolved configurations, for `explainPart`. */
const sources = new WeakMap<object, readonly NormalizedLayer[]>();

interface NormalizedLayer {
  readonly source: string;
  readonly value: Json;
}

/**
 * Returns the result of `create`, which creates the component `part` of `config`.
 *
 * @throws {UserError} `CONFIG_INVALID` if `create` rejects the options of the component; names the field and its source
 */
export function explainPart<T>(part: (typeof createdParts)[number], config: Config, create: () => T): T {
  try {
    return create();
  } catch (error) {
    if (!(error instanceof (part === 'model' ? ConfigError : RangeError))) throw error;
    // "DiT: hidden_size must be ..."
    const [, owner = '', rest = error.message] = /^(\w+): (.*)$/s.exec(error.message) ?? [];
    const [field = ''] = rest.split(' ', 1);
    const isField = objectsOfType(schemaAt([part]), config[part].type).some(({ shape }) => Object.hasOwn(shape, field));
    const layers = sources.get(config[part]) ?? [];
    const source =
      (isField ? (sourceOf(layers, [part, field]) ?? sizeSource(field, config, layers)) : undefined) ??
      sourceOf(layers, [part]);
    const text = isField ? `${part}.${rest}` : `${part}: ${owner}: ${rest}`;
    throw new UserError(`${text}${source === undefined ? '' : ` (${source})`}.`, {
      code: 'CONFIG_INVALID',
      cause: error,
    });
  }
}

/** Fields of models that default to the size of the images. */
const sizeFields: readonly string[] = ['sample_size', 'input_size', 'img_size'];

/** The field of the configuration that gives a model's images their size, with its source; undefined if none does. */
function sizeSource(field: string, { crop, imageSize }: Config, layers: readonly NormalizedLayer[]) {
  if (!sizeFields.includes(field)) return undefined;
  const path = crop !== null ? ['crop', 'size'] : imageSize !== null ? ['imageSize'] : [];
  const source = sourceOf(layers, path);
  return path.length === 0 || source === undefined ? undefined : `${path.join('.')} of ${source}`;
}

/**
 * Parses the argument of `--set`, `path.to.field=value`. A value that is not valid JSON is taken as a string.
 *
 * @throws {UserError} if there is no `=`, or the value is nested too deeply
 */
export function assignment(text: string): Layer {
  const at = text.indexOf('=');
  if (at < 1)
    throw new UserError(`--set ${text}: must have the form field=value, such as optimizer.lr=0.0002.`, {
      code: 'CONFIG_INVALID',
    });
  const [path, given] = [text.slice(0, at), text.slice(at + 1)];
  const names = path.split('.');
  if (names.length > maxJsonDepth)
    throw new UserError(`--set ${path}: is nested more than ${maxJsonDepth} levels deep.`, { code: 'CONFIG_INVALID' });
  return { source: `--set ${text}`, value: nest(names, jsonOrText(given, `--set ${path}`)) };
}

/** Text that is not JSON is a plain string, such as tfjs-cpu in engine=tfjs-cpu. */
function jsonOrText(text: string, source: string): unknown {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  try {
    return parseJson(text, source);
  } catch (cause) {
    throw new UserError(messageOf(cause), { code: 'CONFIG_INVALID', cause });
  }
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
  const isOpen = objects.length === 0;
  const hasNotes = objects.some(({ def }) => !(def.catchall instanceof z.ZodNever));
  return Object.entries(value).flatMap(([key, inner]) => {
    if (!isOpen && !known.includes(key) && !(hasNotes && isNote(key))) return [{ path, key, known }];
    return isObject(inner) ? unknownKeys(fieldOf(schema, key), inner, [...path, key]) : [];
  });
}

function describeUnknown({ path, key, known }: UnknownKey): string {
  const field = [...path, key].join('.');
  const now = Object.hasOwn(renamedFields, field) ? renamedFields[field] : undefined;
  return `unknown field "${field}". ${now === undefined ? suggestion(key, known) : `It is now called ${now}.`}`;
}

interface Problem {
  readonly path: readonly PropertyKey[];
  readonly issue: z.core.$ZodIssue;
}

/** One problem per field. */
function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const { path } = issue;
  return issue.code === 'unrecognized_keys'
    ? issue.keys.map((key) => ({ path: [...path, key], issue }))
    : [{ path, issue }];
}

/** One line per invalid value: the field, what it must be, what it is, and its source. */
function describe({ path, issue }: Problem, merged: Json, layers: readonly NormalizedLayer[]): string {
  const value = valueAt(merged, path);
  // A field that is missing is missing from the type that its component got.
  const source =
    sourceOf(layers, path) ?? (value === undefined ? sourceOf(layers, [...path.slice(0, -1), 'type']) : undefined);
  const got = `got ${value === undefined ? 'nothing' : JSON.stringify(value)}${source === undefined ? '' : ` (${source})`}`;
  const field = path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const { type } = valueAt(merged, issue.path) as Json;
    const objects = objectsOfType(schemaAt(issue.path), type);
    const known = objects.flatMap(({ shape }) => Object.keys(shape));
    const owner = typeof type === 'string' ? `${issue.path.join('.')} of type ${type}` : issue.path.join('.');
    const key = String(path.at(-1));
    return `${field}: ${owner} has no field "${key}", ${got}. ${suggestion(key, known)}`;
  }
  return `${field === '' ? 'The configuration' : field} ${demand(issue, value)}, ${got}.`;
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (typeof value === 'object' && value !== null ? (value as Json)[String(key)] : undefined),
    root,
  );
}

function schemaAt(path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((schema, key) => fieldOf(schema, String(key)), configSchema);
}

/** The source of the value at `path`: the last layer that sets it. */
function sourceOf(layers: readonly NormalizedLayer[], path: readonly PropertyKey[]): string | undefined {
  return layers.findLast(({ value }) => valueAt(value, path) !== undefined)?.source;
}

function demand(issue: z.core.$ZodIssue, value: unknown): string {
  switch (issue.code) {
    case 'too_small':
      return `must ${measure(issue)} ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`;
    case 'too_big':
      return `must ${measure(issue)} ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`;
    case 'invalid_type':
      return `must be ${issue.expected === 'int' ? 'an integer' : `of type ${issue.expected}`}`;
    case 'invalid_value':
      return oneOf(issue.values.map(String), value);
    case 'invalid_format':
      return issue.message;
    case 'invalid_union': {
      const { options } = issue as { readonly options?: readonly unknown[] };
      if (options !== undefined) return oneOf(options.map(String), value);
      const all = issue.errors.flatMap(([first]) => first ?? []);
      // A list of names is a stricter demand than a string.
      const isNames = all.some(({ code }) => code === 'invalid_value');
      const isString = (one: z.core.$ZodIssue) => one.code === 'invalid_type' && one.expected === 'string';
      const demands = all.filter((one) => !isNames || !isString(one)).map((one) => demand(one, value));
      return `must ${[...new Set(demands)].map((text) => text.replace(/^must /, '')).join(' or ')}`;
    }
    default:
      return `is not possible (${issue.message})`;
  }
}

/** `have a length of` for lists and strings, `be` for numbers. */
function measure({ origin }: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  return origin === 'array' || origin === 'string' ? 'have a length of' : 'be';
}

function oneOf(known: readonly string[], value: unknown): string {
  const near = typeof value === 'string' ? nearest(value, known) : undefined;
  return `must be one of ${known.join(', ')}${near === undefined ? '' : ` (did you mean "${near}"?)`}`;
}
