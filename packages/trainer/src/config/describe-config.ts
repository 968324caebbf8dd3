/** Adds the descriptions to the schema, for help and for the JSON Schema. */
import * as z from 'zod';
import { describeCurricula } from './curriculum-descriptions.js';
import { describeModels } from './model-descriptions.js';
import { optimizerTexts } from './optimizer-descriptions.js';
import { describeSamplers, samplerTexts } from './sampler-descriptions.js';
import { schemaTexts } from './schema-descriptions.js';
import { configSchema } from './schema.js';
import { objectsOfType, typesOf } from './schema-fields.js';

/** Descriptions by path: `ema.power` of a field, `ema(power).decay` of the field of one type, `ema(rational)` of a type. */
export const texts: Readonly<Record<string, string>> = { ...schemaTexts, ...optimizerTexts, ...samplerTexts };

/** Adds descriptions, and defaults of models and timestep schedules, to the schema. Calling it again changes nothing. */
export function describeConfig(): void {
  describeFields(configSchema, '');
  describeCurricula();
  describeSamplers();
  describeModels();
}

/** Describes the fields within `schema`, whose own path is `path`; empty for the whole configuration. */
function describeFields(schema: unknown, path: string): void {
  for (const object of objectsOfType(schema, undefined)) {
    const ofType = `${path}(${typesOf(object).join()})`;
    describe(object, texts[ofType]);
    for (const [name, field] of Object.entries(object.shape)) {
      const inner = path === '' ? name : `${path}.${name}`;
      describe(field, texts[`${ofType}.${name}`] ?? texts[inner]);
      describeFields(field, inner);
    }
  }
}

function describe(schema: z.core.$ZodType, description: string | undefined): void {
  if (description !== undefined) z.globalRegistry.add(schema, { description });
}
