/** Trains and measures a trial on a graphics card: with PyTorch, from the tables and noise levels of this project. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { writeNpy, writeNpz } from '@dm/data';
import { geometricMean } from '@dm/eval';
import { makeFolder } from '@dm/files';
import { createDenoiser, createValidationSet, UserError } from '@dm/trainer';
import { openImages } from './data.js';
import { writeJson, type TrialResult } from './results.js';
import { resultOf, runOf, type TrialContext } from './run-trial.js';
import {
  configOf,
  emaShare,
  maxGradNorm,
  measuredOn,
  resolvedConfigOf,
  trialName,
  unetOf,
  type Trial,
} from './trials.js';

/** What card/train.py reads. */
interface CardRequest {
  readonly unet: object;
  readonly seed: number;
  readonly steps: number;
  readonly measureAt: readonly number[];
  readonly batchSize: number;
  readonly optimizer: 'adamW' | 'scheduleFreeAdamW';
  readonly lr: number;
  readonly warmup: number;
  readonly maxGradNorm: number;
  /** Half-life of the average, as a share of the images seen. */
  readonly emaShare: number;
  /** Of the noise schedule, [T]. */
  readonly alphasCumprod: readonly number[];
  /** Files that `dm curriculum table` and `dm optim table` write; schedule-free AdamW has no schedule. */
  readonly curriculumTable: string;
  readonly optimizerTable: string | null;
  /** Training images, .npy: uint8 [N, H, W, C]. */
  readonly images: string;
  /** .npz: images [n, H, W, C] in [-1, 1], and levels [ranges, draws x n], timesteps. */
  readonly validation: string;
  /** Folder of the checkpoints. */
  readonly out: string;
  /** Training stops after this many seconds. */
  readonly seconds: number;
  readonly device: string;
  /** Number of parameters that the UNet must have. */
  readonly parameters: number;
  /** Threads of PyTorch, which matter on a CPU. */
  readonly threads: number;
}

interface CardAnswer {
  readonly points: readonly { readonly step: number; readonly buckets: readonly number[] }[];
  readonly seconds: number;
  readonly hasDiverged: boolean;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** As `runTrial`, with the Python in `DM_PYTHON`, which needs PyTorch, diffusers, and for one recipe schedulefree. */
export async function runCardTrial(trial: Trial, context: TrialContext): Promise<TrialResult | undefined> {
  const { size, data, until, project, device, threads } = context;
  const python = process.env['DM_PYTHON'];
  if (python === undefined) {
    throw new UserError(
      'Trials of this size are trained with PyTorch: set DM_PYTHON to a Python with torch and diffusers.',
    );
  }
  const out = runOf(trial, context);
  makeFolder(out);
  const denoiser = createDenoiser(resolvedConfigOf(trial, size, data.train, out));
  // The tables do not depend on the model, whose shape follows from the data.
  const { model: _model, ...value } = configOf(trial, size, data.train, out);
  const isFree = trial.recipe.optimizerType !== undefined;
  const request: CardRequest = {
    unet: unetOf(size),
    seed: trial.seed,
    steps: trial.steps,
    measureAt: trial.measureAt,
    batchSize: size.batchSize,
    optimizer: trial.recipe.optimizerType ?? 'adamW',
    lr: trial.lr,
    warmup: size.warmup,
    maxGradNorm,
    emaShare,
    alphasCumprod: [...denoiser.noiseSchedule.alphasCumprod],
    curriculumTable: await tableOf('curriculum', out, value),
    optimizerTable: isFree ? null : await tableOf('optim', out, value),
    images: await trainingImages(context),
    validation: await validationSet(trial, context, denoiser),
    out,
    seconds: Math.min(Math.max(1, (until - performance.now()) / 1000), 1e9),
    device,
    threads: threads ?? 1,
    parameters: denoiser.layout.size,
  };
  const path = join(out, 'request.json');
  await writeJson(path, request);
  const { status, stdout } = spawnSync(python, [join(project, 'card', 'train.py'), path], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`card/train.py failed for ${trialName(trial)}.`);
  // Libraries may print, too.
  const answer = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as CardAnswer | { readonly unfinished: true };
  if ('unfinished' in answer) return undefined;
  return resultOf(trial, context, {
    points: answer.points.map(({ step, buckets }) => ({
      step,
      images: step * size.batchSize,
      losses: { ema: { geometricMean: geometricMean(buckets), buckets } },
    })),
    ...(answer.hasDiverged && { hasDiverged: true as const }),
    seconds: { training: answer.seconds, measuring: 0 },
    machine: `${answer.machine}, ${Object.entries(answer.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}`,
  });
}

/** Writes a table with the command `dm`. */
async function tableOf(kind: 'curriculum' | 'optim', out: string, config: object): Promise<string> {
  const [file, path] = [join(out, 'table.json'), join(out, `${kind}.npz`)];
  await writeJson(file, { ...config, out: 'unused', data: 'unused' });
  const dm = join(dirname(createRequire(import.meta.url).resolve('@dm/trainer/package.json')), 'bin', 'dm.js');
  const { status, stderr } = spawnSync(process.execPath, [dm, kind, 'table', '--config', file, '--out', path], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`dm ${kind} table failed: ${stderr}`);
  return path;
}

async function trainingImages({ cache, size, data }: TrialContext): Promise<string> {
  const path = join(cache, size.name, 'train.npy');
  if (existsSync(path)) return path;
  const train = await openImages(data, 'training');
  const { images } = await train.read(Array.from({ length: train.length }, (_, i) => i));
  await writeNpy(path, { shape: [train.length, ...train.shape], data: images });
  return path;
}

/** Of the images that a trial is measured on, and its noise schedule. */
async function validationSet(
  trial: Trial,
  { cache, size, data }: TrialContext,
  denoiser: Parameters<typeof createValidationSet>[0],
): Promise<string> {
  const part = measuredOn(trial);
  const name = `${part}-${trial.recipe.noiseSchedule ?? 'linear'}.npz`;
  const path = join(cache, size.name, name);
  if (existsSync(path)) return path;
  const dataset = await openImages(data, part);
  const set = await createValidationSet(denoiser, dataset, {
    images: size.validationImages,
    draws: size.validationDraws,
  });
  const levels = set.levels.map((ofRange) => ofRange!.map(({ t }) => t));
  await writeNpz(path, {
    images: { shape: [set.setting.images, ...dataset.shape], data: set.images },
    levels: { shape: [levels.length, levels[0]!.length], data: Int32Array.from(levels.flat()) },
  });
  return path;
}
