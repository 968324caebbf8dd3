// Compares 20 steps of the benchmark's training program between engines, with the same weights, batches, and noise.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openOnnxEngine } from '@dm/jit';
import { flatten, fromTorch, parseSafetensors } from '@dm/models';
import { openEagerEngine, type Arrays, type Engine } from '@dm/ops';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Case, optimizer, smallUnet } from './cases.mjs';
import { trainingOf } from './contenders/training.mjs';

const steps = 20;
const threads = 2;
const bar = 1e-3;

const unet: Case = {
  name: 'a UNet at 16 x 16',
  kind: 'training',
  model: 'UNet2DModel',
  config: { ...smallUnet, sample_size: 16 },
  batch: 1,
};
/** The only case with blocked convolutions for filter gradients and upsampling, which need a batch of 8 or 16. */
const blocks: Case = {
  name: 'a UNet with blocked convolutions',
  kind: 'training',
  model: 'UNet2DModel',
  config: {
    sample_size: 4,
    in_channels: 3,
    out_channels: 3,
    layers_per_block: 1,
    block_out_channels: [16, 16],
    down_block_types: ['DownBlock2D', 'DownBlock2D'],
    up_block_types: ['UpBlock2D', 'UpBlock2D'],
    norm_num_groups: 4,
    attention_head_dim: 8,
  },
  batch: 16,
};
const dit: Case = {
  name: 'a DiT at 16 x 16',
  kind: 'training',
  model: 'DiT',
  config: {
    input_size: 16,
    patch_size: 4,
    in_channels: 4,
    hidden_size: 64,
    depth: 2,
    num_heads: 4,
    num_classes: 10,
    class_dropout_prob: 0,
    learn_sigma: false,
  },
  batch: 2,
};
/** More than 2^19 parameters: updated in place, in chunks, by a second graph. */
const longDit: Case = {
  ...dit,
  name: 'a DiT with more than 2^19 parameters',
  config: { ...dit.config, input_size: 8, hidden_size: 128 },
  batch: 1,
};

async function train(engine: Engine, benchCase: Case) {
  const training = trainingOf(benchCase, optimizer);
  const program = engine.compile(training.program, { name: benchCase.name });
  const state = await program.load(training.state());
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { loss } = await program.run(state, { ...training.batch(step), ...training.scalars(step) });
    losses.push(loss.data[0]);
  }
  const trained = await state.read();
  await engine.dispose();
  return { losses, trained };
}

const onOnnx = async (benchCase: Case) => train(await openOnnxEngine({ threads }), benchCase);

/** Relative distance |a - b| / |b|, in float64. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    size += b[i] ** 2;
  }
  return Math.sqrt(difference / size);
}

/** Checks that the parameters moved by more than the tolerance; otherwise comparing them would prove nothing. */
function expectMoved(benchCase: Case, trained: Arrays) {
  const start = trainingOf(benchCase, optimizer).state();
  expect(distance(trained['params'].data, start['params'].data)).toBeGreaterThan(bar);
}

it('covers steps in a single graph and steps with a separate update graph', async () => {
  const graphs: string[][] = [];
  for (const benchCase of [unet, dit, longDit]) {
    const names: string[] = [];
    const engine = await openOnnxEngine({ threads, observer: { compiled: ({ name }) => void names.push(name) } });
    const training = trainingOf(benchCase, optimizer);
    const program = engine.compile(training.program, { name: 'step' });
    await program.run(await program.load(training.state()), { ...training.batch(0), ...training.scalars(0) });
    await engine.dispose();
    graphs.push(names);
  }
  expect(graphs).toEqual([['step'], ['step'], ['step', 'step, update']]);
});

describe.each([unet, blocks, dit, longDit])(`${steps} steps of $name`, (benchCase) => {
  it('are bit-identical in two runs', async () => {
    const [first, second] = [await onOnnx(benchCase), await onOnnx(benchCase)];
    expect(second.losses).toEqual(first.losses);
    for (const [name, { data }] of Object.entries(first.trained)) {
      expect(Buffer.compare(bytes(data), bytes(second.trained[name].data)), name).toBe(0);
    }
    expectMoved(benchCase, first.trained);
  });

  it('agree with the engine tfjs-cpu', async () => {
    const { trained } = await onOnnx(benchCase);
    const reference = await train(await openEagerEngine('tfjs-cpu'), benchCase);
    for (const name of ['params', 'ema']) {
      expect(distance(trained[name].data, reference.trained[name].data), name).toBeLessThan(bar);
    }
  });

  const python = process.env['DM_PYTHON'];
  const source = benchCase.model === 'DiT' ? process.env['DIT_SRC'] : 'diffusers';
  const needs = [
    ...(python === undefined ? ['DM_PYTHON to a Python with torch and diffusers'] : []),
    ...(source === undefined ? ['DIT_SRC to the folder of facebookresearch/DiT'] : []),
  ];
  const note = needs.length > 0 ? `: SKIPPED, set ${needs.join(' and ')}` : '';
  it.skipIf(needs.length > 0)(`agree with PyTorch${note}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dm-agree-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [request, out] = [join(folder, 'request.json'), join(folder, 'out.safetensors')];
    writeFileSync(request, JSON.stringify({ case: benchCase, optimizer, steps, threads }));
    const script = join(import.meta.dirname, 'contenders/torch_agree.py');
    const { status, stdout, stderr } = spawnSync(python!, [script, request, out], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    const theirs = parseSafetensors(readFileSync(out)).tensors;

    const { losses, trained } = await onOnnx(benchCase);
    expect(distance(losses, JSON.parse(stdout.trim().split('\n').at(-1)!) as number[])).toBeLessThan(bar);
    const { model, layout } = trainingOf(benchCase, optimizer);
    for (const name of ['params', 'ema']) {
      const own = Object.entries(theirs).filter(([key]) => key.startsWith(`${name}/`));
      const arrays = fromTorch(model, Object.fromEntries(own.map(([key, a]) => [key.slice(name.length + 1), a])));
      expect(distance(trained[name].data, flatten(arrays, layout)), name).toBeLessThan(bar);
    }
  });
});

const bytes = (data: ArrayBufferView) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
