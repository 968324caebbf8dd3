import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { texts } from './describe-config.js';
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
        ema: { type: 'karras', relativeStd: 0.1 },
        sampler: { type: 'heun', churn: { amount: 3 }, path: 'karras', clipping: null },
        uncertainty: { lr: 0.01 },
        curriculum: 'uniform',
        model: { type: 'dit', depth: 2, _class_name: 'DiT' },
        diffusion: { schedule: 'linear', prediction: { sigmaData: 0.4 } },
        optimizer: { lr: 1, momentumDecay: 'demon', matrixLr: 0.1 },
        $schema: 'x.json',
      }),
    ).toBe(true);
    for (const device of ['cpu', 'webgpu', 'cuda', 'cuda:0', 'cuda:12']) expect(accepts({ device })).toBe(true);
  });

  it.each([
    { batchSize: 0 },
    { device: 'webgpu:1' },
    { device: 'cuda:-1' },
    { device: 'cuda:x' },
    { batchSiez: 3 },
    { optimizer: { type: 'adamm' } },
    { optimizer: 'adamm' },
    { optimizer: { type: 'lion', matrixLr: 1 } },
    { evaluation: { evry: 3 } },
    { optimizer: { lrr: 1 } },
    { ema: { type: 'karras' } },
    { lossWeighting: { type: 'minSnr', gama: 5 } },
    { uncertainty: { lr: 0 } },
    { sampler: { type: 'euler', eta: 1 } },
    { sampler: { path: { type: 'karras', spacing: 'leading' } } },
    { sampler: { clipping: { type: 'threshold', quantile: 1 } } },
    { model: { type: 'dit', depht: 2 } },
    { model: { type: 'dit', depth: 0 } },
    { model: { type: 'unet', depth: 2 } },
    { model: { down_block_types: ['DownBlock'] } },
    { curriculum: { type: 'clts', sigma: -1 } },
    { curriculum: { type: 'laplace', sigma: 1 } },
  ])('refuses %j', (value) => expect(accepts(value)).toBe(false));

  it('contains every description', () => {
    const json = JSON.stringify(schema);
    expect(Object.entries(texts).filter(([, text]) => !json.includes(JSON.stringify(text)))).toEqual([]);
  });

  it('says of each field what it is, and of most what they are where left out', () => {
    const fields = schema['properties'] as Record<string, Record<string, unknown>>;
    const mute = Object.entries(fields).filter(([, field]) => field['description'] === undefined);
    // Objects of fields that have descriptions of their own.
    const isOfFields = (field: Record<string, unknown>) =>
      field['properties'] !== undefined ||
      (field['anyOf'] as Record<string, unknown>[]).at(-1)!['properties'] !== undefined;
    expect(mute.every(([, field]) => isOfFields(field))).toBe(true);
    expect(fields['batchSize']).toMatchObject({ description: 'Images per step.', default: 32 });
    expect(fields['optimizer']).toMatchObject({ default: { type: 'adamW', lr: 4e-3 } });
    const kinds = fields['optimizer']!['anyOf'] as Record<string, unknown>[];
    expect(kinds[0]).toEqual({ enum: ['adamW', 'adam', 'sgd', 'lion', 'muon', 'adEMAMix', 'scheduleFreeAdamW'] });
    expect(kinds.find((kind) => JSON.stringify(kind).includes('matrixLr'))).toMatchObject({
      properties: { type: { const: 'muon' }, lr: { default: 4e-3 }, matrixLr: { default: 0.02 } },
    });
    const kindOf = (part: string, type: string) => {
      const all = fields[part]!['anyOf'] as { properties?: { type: unknown } }[];
      return all.find(
        ({ properties }) => JSON.stringify(properties?.type) === JSON.stringify({ type: 'string', const: type }),
      );
    };
    const description = expect.stringMatching(/\w/) as unknown;
    expect(kindOf('model', 'dit')).toMatchObject({
      properties: { depth: { type: 'integer', minimum: 1, maximum: 1024, description } },
    });
    expect(kindOf('model', 'unet')).toMatchObject({
      properties: { dropout: { minimum: 0, exclusiveMaximum: 1, default: 0, description } },
    });
    expect(kindOf('curriculum', 'clts')).toMatchObject({
      properties: { sigma: { exclusiveMinimum: 0, default: 0.2, description } },
    });
    // Of the averages only those without options of their own.
    expect((fields['ema']!['anyOf'] as unknown[])[0]).toEqual({ enum: ['scheduleFree'] });
  });
});
