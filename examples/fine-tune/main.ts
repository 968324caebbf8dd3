// Fine-tunes a diffusers pipeline: `tsx main.ts path/to/pipeline folder:path/to/images`.
import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { exportModel, generateSamples, importPipeline, train, writeImages } from '@dm/trainer';
import type { Config, PartialConfig } from '@dm/trainer';
import { writeOwnPipeline, writeWhiteDigits } from './stand-ins.js';

const isSmoke = process.argv.includes('--smoke');
const size: PartialConfig = isSmoke
  ? { totalSteps: 2, batchSize: 4, samples: 2, sampler: { type: 'ddim', steps: 2 } }
  : { totalSteps: 1300 };
const given = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
// Running this again replaces what it wrote, except the folder that it is given; `importPipeline` and `exportModel` do not
// replace anything.
for (const name of ['pretrained', 'pretrained-run', 'imported', 'fine-tuned', 'fine-tuned-pipeline']) {
  const isGiven = given.some((argument) => resolve(argument.replace(/^folder:/, '')) === resolve('runs', name));
  if (!isGiven) await rm(`runs/${name}`, { recursive: true, force: true });
}
const [
  pipeline = await writeOwnPipeline('runs/pretrained', size),
  data = await writeWhiteDigits('runs/white-digits.npz', isSmoke ? 64 : 6000),
] = given;

// The folder of `save_pretrained` becomes a run of 0 steps: `dm sample` works on it too.
const imported = await importPipeline({ folder: pipeline, out: 'runs/imported', onNote: console.log });
console.log(`imported ${imported.model} with ${imported.parameters} parameters`);

// The same network, noise schedule, and prediction; everything else may change.
const { model, diffusion, conditional } = JSON.parse(await readFile('runs/imported/config.json', 'utf8')) as Config;
const run = await train({
  model,
  diffusion,
  conditional,
  data,
  imageSize: 'sample_size' in model ? (model.sample_size as number) : null,
  initFrom: imported.out,
  optimizer: { lr: 5e-4 }, // lower than for training from scratch
  ...size,
  ...(!isSmoke && { totalSteps: 300 }),
  out: 'runs/fine-tuned',
});

await writeImages('runs/fine-tuned/samples.png', await generateSamples({ run: run.out, count: isSmoke ? 4 : 64 }));
const { out } = await exportModel({ run: run.out, out: 'runs/fine-tuned-pipeline' });
console.log(`${run.step} steps; samples: runs/fine-tuned/samples.png; DDPMPipeline.from_pretrained("${out}")`);
