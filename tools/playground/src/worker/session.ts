/** Trains in a worker: answers the page's requests between optimizer steps. */
import { normal } from '@dm/core';
import { createMemoryDataset } from '@dm/data';
import { consistency } from '@dm/eval';
import { openOnnxEngine, type OnnxRuntimeModule } from '@dm/jit';
import { classCondition, createModelSampler, formatSafetensors, toTorch } from '@dm/models';
import { DmError, type Engine, viewFlat } from '@dm/ops';
import {
  batchSource,
  compileStep,
  type Config,
  type CompiledStep,
  createTrainingSetup,
  resolveConfig,
  startingState,
  type StepOutcome,
  type TrainingSetup,
  trainingSteps,
} from '@dm/trainer/core';
import type { PlaygroundConfig } from '../config.js';
import { LossByLevel } from './loss-by-level.js';
import type { Agreement, DrawOptions, Frame, Report, Request, TrainingImages } from './messages.js';
import { PictureSchedule } from './picture-schedule.js';
import { trainingConfig } from './training-config.js';

/** The global scope of a worker. */
export interface WorkerScope {
  addEventListener(type: 'message', listener: (event: { readonly data: Request }) => void): void;
  postMessage(message: Report, transfer?: Transferable[]): void;
}

const pictures = 16;
const samplingSeed = 1;

interface Model {
  readonly setup: TrainingSetup;
  readonly compiled: CompiledStep;
  readonly outcomes: AsyncGenerator<StepOutcome, void, undefined>;
}

type Sampler = ReturnType<typeof createModelSampler>;

/** Serves the page on this build of ONNX Runtime. A failure ends the session; the page then starts another worker. */
export function serve(scope: WorkerScope, ort: OnnxRuntimeModule): void {
  const requests: Request[] = [];
  let wake: () => void = () => {};
  const next = async (): Promise<void> => {
    if (requests.length > 0) return;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  scope.addEventListener('message', ({ data }) => {
    requests.push(data);
    wake();
  });
  run(scope, ort, requests, next).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    scope.postMessage({ type: 'failed', message, code: error instanceof DmError ? error.code : undefined });
  });
}

async function run(
  scope: WorkerScope,
  ort: OnnxRuntimeModule,
  requests: Request[],
  next: () => Promise<void>,
): Promise<void> {
  await next();
  const start = requests.shift();
  if (start?.type !== 'start') throw new TypeError('the first request must be "start"');
  const { config, data } = start;
  const began = performance.now();
  const engine = await openOnnxEngine({ ort, device: config.device });
  const models = await createModels(engine, config, data);
  const [first] = models as [Model, ...Model[]];
  const sampler = createSampler(engine, first.setup, first.setup.config.sampler);
  scope.postMessage({ type: 'ready', ...describe(engine, first.setup), seconds: secondsSince(began) });

  const levels = new LossByLevel(10, first.setup.noiseSchedule.numTimesteps, 0.95);
  const schedule = new PictureSchedule(0.2);
  let isPlaying = false;
  let stepsWanted = 0;
  let step = 0;

  const draw = async (): Promise<void> => {
    const drawing = performance.now();
    const drawn = [];
    for (const model of models) drawn.push(await drawPictures(sampler, model));
    const seconds = secondsSince(drawing);
    schedule.addDrawing(step, seconds);
    const agreement = drawn.length === 2 ? agreementOf(drawn[0]!, drawn[1]!, data.shape) : undefined;
    scope.postMessage({ type: 'pictures', step, pictures: drawn, ...(agreement && { agreement }), seconds });
  };
  await draw();

  for (;;) {
    await eventLoopTurn();
    const isIdle = !isPlaying && stepsWanted === 0;
    if (isIdle) await next();
    for (let request = requests.shift(); request !== undefined; request = requests.shift()) {
      if (request.type === 'play') isPlaying = step < config.steps;
      else if (request.type === 'pause') isPlaying = false;
      else if (request.type === 'step') stepsWanted = step < config.steps ? stepsWanted + 1 : 0;
      else if (request.type === 'draw') {
        const frames = await drawFrames(engine, first, request.options);
        scope.postMessage({ type: 'drawn', options: request.options, frames, step });
      } else if (request.type === 'weights') {
        const bytes = await weightsFile(first);
        scope.postMessage({ type: 'weights', bytes, step }, [bytes.buffer]);
      } else throw new TypeError(`the request "${request.type}" is not expected here`);
    }
    if (!isPlaying && stepsWanted === 0) continue;

    const stepping = performance.now();
    const outcomes: StepOutcome[] = [];
    for (const { outcomes: steps } of models) {
      const { value } = await steps.next();
      if (value !== undefined) outcomes.push(value);
    }
    step++;
    const seconds = secondsSince(stepping);
    schedule.addStep(seconds);
    const [{ sample, result, skipped }] = outcomes as [StepOutcome, ...StepOutcome[]];
    levels.add(sample.timesteps, result.losses);
    scope.postMessage({
      type: 'step',
      step,
      losses: outcomes.map(({ result: { loss } }) => loss),
      levels: levels.values.slice(),
      seconds,
      ...(skipped !== undefined && { skipped }),
    });
    const isSingle = stepsWanted > 0;
    stepsWanted = Math.max(0, stepsWanted - 1);
    const isLast = step === config.steps;
    if (isSingle || isLast || schedule.isDue(step)) await draw();
    if (isLast) {
      isPlaying = false;
      stepsWanted = 0;
      scope.postMessage({ type: 'finished' });
    }
  }
}

async function createModels(engine: Engine, config: PlaygroundConfig, data: TrainingImages): Promise<Model[]> {
  const dataset = createMemoryDataset({ ...data, ...(data.labels && { labels: data.labels }) });
  const models: Model[] = [];
  for (let index = 0; index < (config.twins ? 2 : 1); index++) {
    const resolved = resolveConfig([{ source: 'page', value: trainingConfig(config, data, index) }]);
    const setup = createTrainingSetup(resolved, batchSource(dataset));
    const compiled = await compileStep(setup, engine, startingState(setup));
    models.push({ setup, compiled, outcomes: trainingSteps(setup, compiled) });
  }
  return models;
}

function createSampler(engine: Engine, setup: TrainingSetup, sampler: Config['sampler']): Sampler {
  const { model, layout, bufferLayout, config, noiseSchedule: schedule } = setup;
  const { prediction } = config.diffusion;
  return createModelSampler({ engine, model, layout, bufferLayout, prediction, schedule, sampler, weights: 'ema' });
}

/** Draws the pictures of a model from the noises that all pictures start from: [16, H, W, C]. */
async function drawPictures(sampler: Sampler, { setup, compiled }: Model): Promise<Float32Array> {
  const { data } = await sampler.sample({
    state: compiled.state,
    seed: samplingSeed,
    imageIndices: Array.from({ length: pictures }, (_, i) => i),
    batchSize: pictures,
    ...classCondition(setup, pictures),
  });
  return data;
}

/** Draws one image and returns each step. */
async function drawFrames(engine: Engine, { setup, compiled }: Model, options: DrawOptions): Promise<Frame[]> {
  const { config } = setup;
  const guidance = setup.nullClass === undefined ? 1 : options.guidance;
  const { path, clipping, guidanceInterval } = config.sampler;
  const sampler = createSampler(engine, setup, {
    type: options.sampler,
    steps: options.steps,
    guidance,
    guidanceInterval,
    path,
    clipping,
  });
  const frames: Frame[] = [];
  try {
    await sampler.sample({
      state: compiled.state,
      seed: samplingSeed,
      imageIndices: [options.noise],
      batchSize: 1,
      ...classCondition(setup, 1, [options.label]),
      onStep: ({ level, x, x0 }) => void frames.push({ t: level.t, x: x.data.slice(), x0: x0.data.slice() }),
    });
  } finally {
    await sampler.dispose();
  }
  return frames;
}

function agreementOf(a: Float32Array, b: Float32Array, shape: readonly number[]): Agreement | undefined {
  try {
    const sets = [
      { name: 'first', samples: a },
      { name: 'second', samples: b },
    ];
    const { overall } = consistency(sets, { shape, metrics: ['cosine'], resamples: 1 });
    const [{ same, random }] = overall.metrics as [(typeof overall.metrics)[number]];
    return { same: same.mean, shuffled: random.mean };
  } catch {
    // Constant images, as from an untrained model, have no cosine.
    return undefined;
  }
}

/** The averaged weights as a safetensors file, with the names and layout of PyTorch. */
async function weightsFile({ setup, compiled }: Model): Promise<Uint8Array<ArrayBuffer>> {
  const { ema } = await compiled.state.read(['ema']);
  const tensors = toTorch(setup.model, viewFlat(ema!.data as Float32Array, setup.layout));
  return formatSafetensors(tensors, { format: 'pt' }) as Uint8Array<ArrayBuffer>;
}

function describe(engine: Engine, { config, layout, classes, noiseSchedule, lr, momentum, batches }: TrainingSetup) {
  const points = Array.from({ length: 201 }, (_, i) => Math.min(config.totalSteps - 1, (i * config.totalSteps) / 200));
  return {
    device: String(engine.info['device']),
    threads: String(engine.info['threads']),
    parameters: layout.size,
    classes,
    alphasCumprod: Float64Array.from(noiseSchedule.alphasCumprod),
    lr: Float64Array.from(points, (step) => lr(Math.floor(step))),
    momentum: Float64Array.from(points, (step) => momentum(Math.floor(step))),
    noise: normal(
      { seed: samplingSeed, stream: 'sample' },
      batches.shape.reduce((a, b) => a * b),
    ),
  };
}

function secondsSince(moment: number): number {
  return (performance.now() - moment) / 1000;
}

/** Lets messages of the page in. A timer would wait at least 4 ms. */
function eventLoopTurn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(0);
  });
}
