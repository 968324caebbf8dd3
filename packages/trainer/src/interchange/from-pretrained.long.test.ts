// Exported pipelines generate the images of `dm sample`, bit for bit.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fromPretrained, type SampleRequest } from '@dm/models';
import { type Engine, openEagerEngine } from '@dm/ops';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { objectives, rectifiedFlow as flow } from '../config/objectives.js';
import type { PartialConfig } from '../config/schema.js';
import { generateSamples, type GenerateSamplesOptions } from '../sampling/generate-samples.js';
import { tinyConfig, tinyFolder } from '../testing/tiny.js';
import { train } from '../train.js';
import { exportModel } from './export.js';
import { importPipeline } from './import.js';

let folder: string;
let engine: Engine;
const inFolder = (...names: string[]) => join(folder, ...names);

const unconditional = { conditional: false } as const;
const dropout = { labelDropout: 0.2 } as const;
const tinyTransformer = { patch_size: 4, num_layers: 1, num_attention_heads: 2, attention_head_dim: 8 };

const runs = {
  unconditional,
  classes: {},
  'a null class': dropout,
  transformer: { model: { type: 'dit-diffusers', ...tinyTransformer }, ...dropout },
  'zero terminal SNR': {
    ...unconditional,
    diffusion: { timesteps: 20, schedule: { type: 'linear', zeroTerminalSnr: true }, prediction: 'v' },
  },
  'a sampler that diffusers has not': {
    ...dropout,
    sampler: { type: 'dpmpp-2m', steps: 3, path: { type: 'karras', rho: 5 }, guidance: 2, guidanceInterval: [0.1, 5] },
  },
  flow: {
    ...unconditional,
    ...flow,
    sampler: { ...flow.sampler, steps: 3 },
    diffusion: { ...flow.diffusion, schedule: { type: 'flow', shift: 2 } },
  },
  edm: {
    ...unconditional,
    ...objectives['edm'],
    sampler: { type: 'heun', steps: 3, path: { type: 'edm' }, clipping: null },
  },
  'learned variance': {
    ...unconditional,
    ...objectives['learned-variance'],
    sampler: { type: 'ddpm', variance: 'learnedRange', steps: 3 },
  },
} as const satisfies Readonly<Record<string, PartialConfig>>;

beforeAll(async () => {
  folder = await tinyFolder();
  engine = await openEagerEngine('tfjs-cpu');
});
afterAll(async () => {
  await engine.dispose();
  rmSync(folder, { recursive: true });
});

/** Trains a step and exports the run; returns the folders of the run and of the pipeline. */
async function exported(
  name: keyof typeof runs,
  suffix = '',
): Promise<{ readonly run: string; readonly pipeline: string }> {
  const [run, pipeline] = [inFolder(`${name}${suffix} run`), inFolder(`${name}${suffix}`)];
  const tiny = tinyConfig(folder, 1);
  await train({ ...tiny, ...(runs[name] as PartialConfig), out: run });
  await exportModel({ run, format: 'diffusers', out: pipeline });
  return { run, pipeline };
}

/** The images of `dm sample`. */
async function sampled(run: string, options: Omit<GenerateSamplesOptions, 'run'>): Promise<readonly number[]> {
  const { images } = await generateSamples({ run, engine: 'tfjs-cpu', ...options });
  return [...images];
}

/** The requests that all of these models can answer. */
const common: readonly SampleRequest[] = [{ n: 2 }, { n: 3, steps: 4, seed: 7 }];
const ofClass: SampleRequest = { label: 1, n: 2, steps: 2 };
const guided: SampleRequest = { ...ofClass, guidance: 3, seed: 2 };

describe.each<[keyof typeof runs, readonly SampleRequest[]]>([
  ['unconditional', common],
  ['classes', [...common, ofClass, { label: [1, 0], steps: 2 }]],
  ['a null class', [...common, ofClass, guided, { ...guided, guidanceInterval: [0.5, 3] }]],
  ['transformer', [...common, ofClass, guided]],
  ['zero terminal SNR', common],
  ['a sampler that diffusers has not', [...common, ofClass, guided]],
  ['flow', common],
  ['edm', common],
  ['learned variance', common],
])('a run with %s', (name, requests) => {
  it('generates the images of dm sample', async () => {
    const { run, pipeline } = await exported(name);
    const model = await fromPretrained(pipeline, { engine });
    expect(model.notes).toEqual([]);
    for (const request of requests) {
      const { label, n, guidanceInterval, onStep: _, ...options } = request;
      const wanted = await sampled(run, {
        ...options,
        count: n ?? 2,
        ...(label !== undefined && { label }),
        ...(guidanceInterval && { guidanceInterval }),
      });
      const { shape, data } = await model.sample(request);
      expect(shape).toEqual([n ?? 2, 8, 8, 1]);
      expect([...data]).toEqual(wanted);
    }
    await model.dispose();
  });
});

it.each<keyof typeof runs>(['flow', 'edm', 'learned variance'])(
  'a run with %s, imported from its export, generates the same images',
  async (name) => {
    const { run, pipeline } = await exported(name, 'again');
    const { out } = await importPipeline({ folder: pipeline, out: inFolder(`${name} imported`) });
    expect(await sampled(out, { count: 2 })).toEqual(await sampled(run, { count: 2 }));
  },
);
