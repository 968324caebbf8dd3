/** The configuration's schema for editors, which then complete and check a file while it is written. */
import { z } from 'zod';
import { configSchema } from './schema.js';
import { defaultPreset, presets } from './presets.js';

/**
 * JSON Schema (2020-12) of a configuration file. A file may leave any field out, so none is required; each has its
 * description and, as its default, its value in the preset that is taken where a file names none.
 */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema) as JsonObject;
  partial(schema, { preset: defaultPreset, ...presets[defaultPreset] });
  // An editor finds this schema by that field, which `dm` passes over.
  (schema['properties'] as JsonObject)['$schema'] = { type: 'string', description: 'Where this schema lies.' };
  return { ...schema, title: 'Configuration of dm train' };
}

type JsonObject = Record<string, unknown>;

/** Takes `required` from an object and those in it, and states defaults; kinds of a part (`anyOf`) keep what they need. */
function partial(schema: JsonObject, value: unknown): void {
  const { properties } = schema as { properties?: Record<string, JsonObject> };
  if (properties === undefined) {
    if (value !== undefined) schema['default'] = value;
    return;
  }
  delete schema['required'];
  for (const [name, inner] of Object.entries(properties)) partial(inner, (value as JsonObject | undefined)?.[name]);
}
