// A run that died goes on as if it never had: every file of its last checkpoint, every line of its log.
//
// `nx test-long trainer` lets runs die by an error thrown between two steps, in this process: nothing is saved, and the
// resumed run is made anew from the files alone. `npm run test:long` and `nx exact-resume trainer` kill the built command
// with SIGKILL, case by case.
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { objectives } from '../config/objectives.js';
import type { PartialConfig } from '../config/schema.js';
import { sha256 } from '../files/hash.js';
import { readMetrics, withoutMeasurements } from '../run/metrics.js';
import { dm, start } from '../testing/command.js';
import {
  addTinyColors,
  addTinyLatents,
  tinyConfig,
  tinyDit,
  tinyFolder,
  tinySongUnet,
  tinyUnet,
} from '../testing/tiny.js';
import { train } from '../train.js';

const plain = { momentumDecay: null } as const;
const continuous = { loss: null, variance: null } as const;

const fewSteps = { type: 'euler', steps: 2, path: { type: 'edm' }, clipping: null } as const;

const oneLevel = {
  block_out_channels: [8],
  down_block_types: ['DownBlock2D' as const],
  up_block_types: ['UpBlock2D' as const],
  layers_per_block: 1,
  norm_num_groups: 4,
  add_attention: false,
};

const cases: Readonly<Record<string, PartialConfig>> = {
  // The optimizers, with momentum decay where they have it.
  'AdamW with momentum decay': {},
  'AdamW, warm-up, cosine, decay of matrices': {
    optimizer: { ...plain, warmup: 2, lrSchedule: { type: 'cosine' }, weightDecay: 0.1, decayGroups: ['matrix'] },
  },
  'Adam, inverse square root': {
    optimizer: { type: 'adam', ...plain, lrSchedule: { type: 'inverseSqrt', decaySteps: 2 }, weightDecay: 0.1 },
  },
  'SGD, averaged, Nesterov': { optimizer: { type: 'sgd', lr: 0.1, nesterov: true } },
  'SGD, heavy ball, Demon, linear': {
    optimizer: {
      type: 'sgd',
      lr: 0.01,
      momentumDecay: { compensate: false },
      form: 'heavyBall',
      lrSchedule: { type: 'linear' },
    },
  },
  Lion: { optimizer: { type: 'lion', lr: 1e-3, weightDecay: 0.1 } },
  Muon: { optimizer: { type: 'muon', weightDecay: 0.1 } },
  AdEMAMix: { optimizer: { type: 'adEMAMix', ...plain, warmupSteps: 5 } },
  'schedule-free AdamW': {
    optimizer: { type: 'scheduleFreeAdamW', ...plain, warmup: 2 },
    ema: { type: 'scheduleFree' },
  },
  // With the minimum that its warning compares with.
  'a divergence that stays finite': { optimizer: { ...plain, lr: 0.5 } },
  // Timestep samplers that learn.
  // Four timesteps, so that each has been seen and the density is no longer uniform.
  'loss second moment': {
    diffusion: { timesteps: 4 },
    curriculum: { type: 'lossSecondMoment', historyPerTimestep: 1 },
  },
  'difficulty curriculum': { curriculum: { type: 'difficultyCurriculum', patience: 1 } },
  'loss weights normalized over a density that changes': {
    curriculum: { type: 'difficultyCurriculum', patience: 1, clusters: 4 },
    lossWeighting: { type: 'minSnr' },
    normalizeLossWeights: true,
  },
  'InfoNoise, of v, with the nearest of three noises': {
    diffusion: { timesteps: 4, prediction: { type: 'v' } },
    curriculum: { type: 'infoNoise', decay: 0.9 },
    noiseCandidates: 3,
  },
  'excess loss': {
    diffusion: { timesteps: 4 },
    curriculum: { type: 'excessLoss', reference: [0.1, 0.2] },
  },
  'InfoNoise in continuous time': {
    ...objectives['edm'],
    diffusion: { ...continuous, schedule: { type: 'edm' }, prediction: { type: 'edm' }, timesteps: 6 },
    curriculum: { type: 'infoNoise', bins: 3 },
  },
  'curriculum sampling': { curriculum: { type: 'curriculumSampling', share: 0.5 } },
  // What is predicted, and of what.
  'prediction edm, betas of its own': {
    diffusion: {
      schedule: { type: 'betas', betas: [0.001, 0.05, 0.2, 0.5] },
      timesteps: 4,
      prediction: { type: 'edm', sigmaData: 0.4 },
    },
    lossWeighting: { type: 'edm', sigmaData: 0.4 },
  },
  'rectified flow, CLTS in flow time, shift': {
    ...objectives['flow'],
    diffusion: { ...continuous, schedule: { type: 'flow', shift: 2 }, prediction: { type: 'flow' } },
    curriculum: { type: 'clts', coordinate: 'flowTime', mu: 0.4 },
  },
  'x0 of a flow with the loss in the velocity': { ...objectives['flow-x0'], curriculum: { type: 'sigmoid' } },
  'EDM in continuous time': { ...objectives['edm'], gradientAccumulation: 2 },
  'with uncertainty, EDM in continuous time': { ...objectives['edm2'] },
  'EDM in continuous time, a curriculum that learns': {
    ...objectives['edm'],
    diffusion: { ...continuous, schedule: { type: 'edm' }, prediction: { type: 'edm' }, timesteps: 4 },
    curriculum: { type: 'lossSecondMoment', historyPerTimestep: 1 },
  },
  'x0 with the loss in v': { diffusion: { prediction: { type: 'x0' }, loss: { type: 'v' } } },
  'learned variance': {
    model: { type: 'dit', ...tinyDit, learn_sigma: true },
    diffusion: { prediction: { type: 'epsilon' }, variance: { type: 'learnedRange' } },
    sampler: { type: 'ddpm', variance: 'learnedRange', steps: 2 },
    gradientAccumulation: 2,
  },
  // Of importance weights, and a batch in parts, which sums its gradient too.
  'learned uncertainty': {
    curriculum: { type: 'cltsCorrected' },
    lossWeighting: { type: 'minSnr' },
    uncertainty: { lr: 0.1 },
    gradientAccumulation: 2,
  },
  // Averages.
  'every average at once': {
    ema: { type: 'fixed', decay: 0.5 },
    extraEmas: {
      power: { type: 'power', decay: 0.9, power: 0.7 },
      'half-life': { type: 'halfLife', images: 20 },
      karras: { type: 'karras', relativeStd: 0.1 },
    },
  },
  'snapshots of averages, in float16': {
    emaSnapshots: { every: 2, relativeStds: [0.05, 0.1, 0.2], dtype: 'float16' },
    extraEmas: { slow: { type: 'fixed', decay: 0.9 } },
  },
  // About every third gradient overflows, since the scale is doubled after each that does not.
  'emulated float16, with overflows': {
    precision: 'f16-emulated',
    gradScaler: { initialScale: 2 ** 19, growthInterval: 1, backoffFactor: 0.25 },
    gradientAccumulation: 2,
    maxSkippedSteps: 1,
  },
  // The batch.
  'accumulation, flips': { gradientAccumulation: 4, flip: true },
  'linear momentum decay after a warm-up share, stratified timesteps, a wide CLTS': {
    curriculum: { type: 'cltsWide' },
    timestepDraws: 'stratified',
    lossWeighting: { type: 'minSnr', zeroSnrWeight: 1 },
    optimizer: { warmupShare: 0.4, momentumDecay: { type: 'linear', finalBeta: 0.5, afterWarmup: true } },
  },
  'images held out, with their loss': {
    holdOut: 0.3,
    validation: { every: 6, images: 5, draws: 2, bounds: true },
    labelDropout: 0.5,
  },
  'latents of four channels, scaled by their statistics, held out, and flipped': {
    data: 'latents.npz',
    latents: { flip: true },
    holdOut: 0.3,
    model: { type: 'dit', ...tinyDit, patch_size: 8 },
    validation: { every: 6, images: 3, draws: 1, bounds: false },
  },
  'label dropout': { labelDropout: 0.5 },
  // Options of UNet2DModel that few checkpoints use.
  'UNet with a learned time embedding, class numbers, and Mish; guided samples during training': {
    model: {
      type: 'unet',
      ...oneLevel,
      time_embedding_type: 'learned',
      num_train_timesteps: 20,
      class_embed_type: 'timestep',
      act_fn: 'mish',
    },
    batchSize: 2,
    labelDropout: 0.5,
    sampleEvery: 3,
    samples: 2,
    sampler: { type: 'ddim', steps: 2, guidance: 2 },
  },
  'UNet with class vectors, GELU, and stochastic samples during training': {
    model: { type: 'unet', ...oneLevel, class_embed_type: 'identity', act_fn: 'gelu' },
    batchSize: 2,
    sampleEvery: 3,
    samples: 2,
    sampler: { type: 'ddpm', steps: 2 },
  },
  'UNet with skip blocks of NCSN++ and ReLU': {
    data: 'colors.npz',
    batchSize: 2,
    model: {
      type: 'unet',
      ...tinyUnet,
      down_block_types: ['SkipDownBlock2D', 'SkipDownBlock2D'],
      up_block_types: ['SkipUpBlock2D', 'SkipUpBlock2D'],
      norm_num_groups: null,
      add_attention: false,
      act_fn: 'relu',
    },
  },
  'UNet with skip blocks with attention': {
    data: 'colors.npz',
    batchSize: 1,
    model: {
      type: 'unet',
      ...oneLevel,
      block_out_channels: [32],
      down_block_types: ['AttnSkipDownBlock2D'],
      up_block_types: ['AttnSkipUpBlock2D'],
    },
  },
  'SongUNet of EDM, with dropout and label dropout': {
    ...objectives['edm'],
    sampler: fewSteps,
    model: { type: 'song-unet', ...tinySongUnet, dropout: 0.3, label_dropout: 0.5 },
  },
  "EDM2's network, whose weights are normalized after each update": {
    ...objectives['edm2'],
    sampler: fewSteps,
    model: { type: 'edm2-unet', ...tinySongUnet, channels_per_head: 4 },
    gradientAccumulation: 2,
  },
  'UNet with label dropout and dropout': {
    model: { type: 'unet', ...tinyUnet, dropout: 0.3 },
    labelDropout: 0.5,
  },
};

const engines = ['tfjs-cpu', 'onnx'] as const;
type Engine = (typeof engines)[number];
const byKill = process.env['DM_EXACT_RESUME'] === 'kill';

let folder: string;
beforeAll(async () => {
  folder = await tinyFolder();
  await addTinyColors(folder);
  await addTinyLatents(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Lengths {
  /** Steps of the whole run. */
  readonly total: number;
  /** The last checkpoint before the death. */
  readonly saved: number;
  readonly death: number;
}

/** A signal takes some steps to arrive, fewer where a step takes long. */
function lengthsOf(engine: Engine, { model }: PartialConfig): Lengths {
  if (!byKill) return { total: 6, saved: 3, death: 4 };
  const isSlow = engine === 'tfjs-cpu' && typeof model === 'object' && model?.['type'] !== 'dit';
  return isSlow ? { total: 18, saved: 6, death: 8 } : { total: 60, saved: 20, death: 24 };
}

function configOf(out: string, engine: Engine, part: PartialConfig, { total, saved }: Lengths): PartialConfig {
  return {
    ...tinyConfig(folder, total),
    model: { type: 'dit', ...tinyDit },
    engine,
    logEvery: 2,
    checkpoints: { every: saved },
    ...part,
    ...(part.data !== undefined && { data: join(folder, part.data) }),
    out: join(folder, out),
  };
}

/** Dies at step `death` without a word, in this process. */
async function dieHere(config: PartialConfig, death: number): Promise<void> {
  const onStep = (step: number) => {
    if (step === death) throw new Error('died');
  };
  await expect(train(config, { hooks: { onStep } })).rejects.toThrow('died');
}

/** A process of its own, killed as soon as it says that it has logged step `death`. */
async function dieByKill(config: PartialConfig, death: number): Promise<void> {
  const path = join(folder, 'killed.json');
  writeFileSync(path, JSON.stringify(config));
  const run = start(['train', '--json', '--config', path], folder);
  await run.said(`"event":"step","step":${death},`);
  run.process.kill('SIGKILL');
  expect((await run.finished).signal).toBe('SIGKILL');
}

async function resumeHere(out: string): Promise<string> {
  return (await train({ out }, { resume: true })).status;
}

async function resumeByCommand(out: string): Promise<string> {
  const { code, stderr } = await dm(['train', '--resume', '--out', out], folder);
  return code === 0 ? 'finished' : stderr;
}

/** Bytes of each file of the final checkpoint. */
function finalFiles(out: string, total: number): Record<string, string> {
  const path = join(out, 'checkpoints', `step-${String(total).padStart(6, '0')}`);
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('base64')]));
}

/** SHA-256 of each file in a folder of the run, if it exists: snapshots of averages, and samples during training. */
function hashes(out: string, inner: 'ema-snapshots' | 'samples'): Record<string, string> {
  const path = join(out, inner);
  const names = existsSync(path) ? readdirSync(path) : [];
  return Object.fromEntries(names.map((name) => [name, sha256(readFileSync(join(path, name)))]));
}

/** The log without what clocks measured. */
function log(out: string) {
  return readMetrics(join(out, 'metrics.jsonl')).map(withoutMeasurements);
}

describe.each(engines)('on %s', (engine) => {
  // Mixed precision is for compiled steps only.
  const onEngine = Object.entries(cases).filter(([, { precision }]) => engine === 'onnx' || precision === undefined);
  it.each(onEngine)('%s', async (name, part) => {
    const id = `${engine}-${name}`.replaceAll(/[^A-Za-z]+/g, '-');
    const lengths = lengthsOf(engine, part);
    const { total, death } = lengths;
    const unbroken = configOf(`${id}-unbroken`, engine, part, lengths);
    const broken = configOf(id, engine, part, lengths);
    await train(unbroken);
    await (byKill ? dieByKill : dieHere)(broken, death);
    expect(await (byKill ? resumeByCommand(broken.out!) : resumeHere(broken.out!))).toBe('finished');
    expect(finalFiles(broken.out!, total)).toEqual(finalFiles(unbroken.out!, total));
    for (const inner of ['ema-snapshots', 'samples'] as const) {
      expect(hashes(broken.out!, inner)).toEqual(hashes(unbroken.out!, inner));
    }
    const whole = log(unbroken.out!);
    expect(whole.map(({ step }) => step)).toEqual(Array.from({ length: total / 2 }, (_, i) => 2 * (i + 1)));
    expect(log(broken.out!)).toEqual(whole);
  });
});
