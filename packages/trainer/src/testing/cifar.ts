/** A pipeline like google/ddpm-cifar10-32, and its trajectories under given noise; tools/parity/cifar_fixture.py is the same. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatSafetensors, unet2d } from '@dm/models';
import { caseWeights, hashed } from '@dm/models/testing';
import { float32, type Arrays, type Engine } from '@dm/ops';
import { readWeights } from '../checkpoint/pack-state.js';
import type { PartialConfig } from '../config/schema.js';
import fixture from '../interchange/fixtures/ddpm-cifar10.json' with { type: 'json' };
import { createDenoiserSampler } from '../sampling/denoiser-sampler.js';
import { readSelectedCheckpoint, samplingConfig } from '../sampling/generate-samples.js';
import { weightsFile } from '../setup/averages.js';
import { openDenoiser } from '../setup/open-denoiser.js';

export { fixture };

/** Names of attention weights in files of that time. */
const formerNames = [
  ['.to_q.', '.query.'],
  ['.to_k.', '.key.'],
  ['.to_v.', '.value.'],
  ['.to_out.0.', '.proj_attn.'],
] as const;

/** Writes the pipeline into a folder as on the Hub: without folders for the components, and with the former names. */
export function writeCifarPipeline(path: string): void {
  const components = { scheduler: ['diffusers', 'DDPMScheduler'], unet: ['diffusers', 'UNet2DModel'] };
  const formula = caseWeights(unet2d(fixture.model as never));
  const last = formula['conv_out.weight']!;
  const scaled = { ...formula, 'conv_out.weight': { ...last, data: last.data.map((value) => value * 0.1) } };
  const weights = Object.entries(scaled).map(
    ([name, array]) => [formerNames.reduce((text, [now, former]) => text.replace(now, former), name), array] as const,
  );
  const files = {
    'model_index.json': JSON.stringify({ _class_name: 'DDPMPipeline', ...components }),
    'config.json': JSON.stringify(fixture.model),
    'scheduler_config.json': JSON.stringify(fixture.scheduler),
    'diffusion_pytorch_model.safetensors': formatSafetensors(Object.fromEntries(weights), { format: 'pt' }),
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(path, name), content);
}

const size = fixture.shape.reduce((product, d) => product * d, 1);
const given = (name: string) =>
  float32(
    hashed(name, size).map((value) => 1.7 * value),
    fixture.shape,
  );

/** An engine whose samplers get the formula's noise in each step instead of random numbers. */
function withGivenNoise(engine: Engine): Engine {
  return {
    name: engine.name,
    info: engine.info,
    dispose: () => engine.dispose(),
    compile(program, options) {
      const compiled = engine.compile(program, options);
      let step = 0;
      return {
        load: (arrays: Arrays) => compiled.load(arrays),
        dispose: () => compiled.dispose(),
        run(handle, inputs) {
          const noise = given(`noise ${step++}`);
          const isRandom = Object.hasOwn(inputs, 'sampler/noise');
          return compiled.run(handle, { ...inputs, ...(isRandom && { 'sampler/noise': noise }) });
        },
      };
    },
  };
}

/** Every 251st element of x after each step of sampling from a run, under the formula's noise. */
export async function cifarTrajectory(
  run: string,
  engine: Engine,
  sampler: NonNullable<PartialConfig['sampler']>,
): Promise<number[][]> {
  const checkpoint = readSelectedCheckpoint({ run });
  const config = samplingConfig(checkpoint, { overrides: [{ source: 'test', value: { sampler } }] });
  const denoiser = openDenoiser(config, 2);
  const made = createDenoiserSampler(denoiser, withGivenNoise(engine), 'params');
  const rows: number[][] = [];
  await made.sample({
    state: readWeights(denoiser, checkpoint, weightsFile(config, undefined)),
    seed: 0,
    n: 2,
    initialNoise: given('noise'),
    onStep: ({ x }) => void rows.push([...x.data].filter((_, i) => i % fixture.stride === 0)),
  });
  await made.dispose();
  return rows;
}
