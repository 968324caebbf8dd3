import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { configJsonSchema } from './json-schema.js';
import { presets } from './presets.js';

const schema = configJsonSchema();
/** What refuses and accepts as an editor would, made of the JSON alone. */
const accepts = (value: unknown) => z.fromJSONSchema(schema).safeParse(value).success;

describe('the JSON Schema of a configuration', () => {
  it('accepts every preset, and any part of one', () => {
    for (const preset of Object.values(presets)) expect(accepts(preset)).toBe(true);
    expect(accepts({})).toBe(true);
    expect(
      accepts({
        optimizer: { lr: 1 },
        ema: { type: 'karras', relativeStd: 0.1 },
        uncertainty: { lr: 0.01 },
        $schema: 'x.json',
      }),
    ).toBe(true);
  });

  it.each([
    { batchSize: 0 },
    { batchSiez: 3 },
    { optimizer: { type: 'adamm' } },
    { optimizer: { lrr: 1 } },
    { ema: { type: 'karras' } },
    { lossWeighting: { type: 'minSnr', gama: 5 } },
    { uncertainty: { lr: 0 } },
  ])('refuses %j', (value) => expect(accepts(value)).toBe(false));

  it('says of each field what it is, and of most what they are where left out', () => {
    const fields = schema['properties'] as Record<string, Record<string, unknown>>;
    const mute = Object.entries(fields).filter(([, field]) => field['description'] === undefined);
    // Objects of fields that have descriptions of their own.
    expect(mute.every(([, field]) => field['properties'] !== undefined)).toBe(true);
    expect(fields['batchSize']).toMatchObject({ description: 'Images per step.', default: 32 });
    expect(fields['optimizer']!['properties']).toMatchObject({ lr: { default: 4e-3 }, name: { default: 'adamW' } });
  });
});
