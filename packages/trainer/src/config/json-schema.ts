/** JSON Schema of configuration files, with which editors complete and validate them. */
import * as z from 'zod';
import { describeConfig } from './describe-config.js';
import { configSchema } from './schema.js';
import { commonFields, fieldOf, typesOf } from './schema-fields.js';
import { defaultPreset, presets } from './presets.js';

/**
 * JSON Schema (2020-12) of a configuration file. No field is required, and a component may be given as its type alone.
 * Each field has its description and, as its default, its value in the default preset.
 */
export function configJsonSchema(): Record<string, unknown> {
  describeConfig();
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as JsonObject;
  const fields = partial(schema, configSchema, { preset: defaultPreset, ...presets[defaultPreset] });
  // Editors find the schema by this field, which `dm` ignores.
  const $schema = { type: 'string', description: 'Path or URL of this schema.' };
  return {
    ...fields,
    properties: { ...(fields['properties'] as JsonObject), $schema },
    title: 'Configuration of dm train',
  };
}

type JsonObject = Readonly<Record<string, unknown>>;

/** `json`, which describes `schema`, with all fields optional, components allowed as their type alone, and defaults. */
function partial(json: JsonObject, schema: unknown, value: unknown): JsonObject {
  const [key, alternatives] = Object.entries(json).find(([name]) => name === 'anyOf' || name === 'oneOf') ?? [];
  const isPart = typesOf(schema).length > 0;
  if (key !== undefined && isPart) {
    const kinds = (alternatives as JsonObject[])
      .flatMap((kind) => (kind['oneOf'] as JsonObject[] | undefined) ?? [kind])
      .map((kind) => ofType(kind, schema, value));
    const alone = kinds.filter((kind) => kind['required'] === undefined).flatMap(typesIn);
    const rest = Object.fromEntries(Object.entries(json).filter(([name]) => name !== key));
    const anyOf = [...(alone.length > 0 ? [{ enum: alone }] : []), ...kinds];
    return { ...rest, anyOf, ...(value !== undefined && { default: value }) };
  }
  const { properties, required: _any, ...rest } = json;
  if (properties === undefined) return value === undefined ? json : { ...json, default: value };
  const fields: JsonObject = { ...rest, properties: fieldsOf(properties as JsonObject, schema, value) };
  if (!isPart) return fields;
  const { description, ...kind } = fields;
  return { ...(description !== undefined && { description }), anyOf: [{ enum: typesIn(kind) }, kind] };
}

/** One type of a component. Only fields that no other type has are required; only fields that all types share get defaults. */
function ofType(kind: JsonObject, schema: unknown, value: unknown): JsonObject {
  const { properties, required, ...rest } = kind;
  if (properties === undefined) return kind;
  const common = commonFields(schema);
  const own = ((required ?? []) as string[]).filter((name) => !common.includes(name));
  const shared = Object.entries((value ?? {}) as JsonObject).filter(
    ([name]) => name !== 'type' && common.includes(name),
  );
  return {
    ...withNotes(rest),
    properties: fieldsOf(properties as JsonObject, schema, Object.fromEntries(shared)),
    ...(own.length > 0 && { required: own }),
  };
}

/** Of a type that accepts further fields, only notes (`isNote`) are accepted. */
function withNotes({ additionalProperties: notes, ...rest }: JsonObject): JsonObject {
  if (typeof notes !== 'object') return { ...rest, ...(notes !== undefined && { additionalProperties: notes }) };
  return { ...rest, patternProperties: { '^_': notes }, additionalProperties: false };
}

/** The types that the JSON Schema of a component's object allows. */
function typesIn({ properties }: JsonObject): unknown[] {
  const type = (properties as Record<string, JsonObject> | undefined)?.['type'];
  return (type?.['enum'] as unknown[] | undefined) ?? (type?.['const'] === undefined ? [] : [type['const']]);
}

function fieldsOf(properties: JsonObject, schema: unknown, value: unknown): JsonObject {
  return Object.fromEntries(
    Object.entries(properties).map(([name, inner]) => [
      name,
      partial(inner as JsonObject, fieldOf(schema, name), (value as JsonObject | undefined)?.[name]),
    ]),
  );
}
