/** Trains in a worker: answers the page's requests between optimizer steps. */
import { normal } from '@dm/core';
import { consistency } from '@dm/eval';
import { openOnnxEngine, type OnnxRuntimeModule } from '@dm/jit';
import { DmError } from '@dm/ops';
import type { BrowserDevice } from '@dm/trainer/browser';
import type { StepOutcome } from '@dm/trainer/core';
import { toBytes, withDrawing } from '../data/picture-history.js';
import { LossByLevel } from './loss-by-level.js';
import type { Agreement, Report, Request } from './messages.js';
import { createSampler, messageOf, Model, samplingSeed, storedImages } from './model.js';
import { PictureSchedule } from './picture-schedule.js';

/** The global scope of a worker. */
export interface WorkerScope {
  addEventListener(type: 'message', listener: (event: { readonly data: Request }) => void): void;
  postMessage(message: Report, transfer?: Transferable[]): void;
}

/** Largest fraction of the time that pictures and saving take. */
const pictureShare = 0.2;

/** Loads the build of ONNX Runtime for a device. */
type LoadRuntime = (device: BrowserDevice) => Promise<OnnxRuntimeModule>;

/** Serves the page. A failure ends the session; the page then starts another worker. */
export function serve(scope: WorkerScope, ort: LoadRuntime): void {
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
    scope.postMessage({
      type: 'failed',
      message: messageOf(error),
      code: error instanceof DmError ? error.code : undefined,
    });
  });
}

async function run(
  scope: WorkerScope,
  ort: LoadRuntime,
  requests: Request[],
  next: () => Promise<void>,
): Promise<void> {
  await next();
  const start = requests.shift();
  if (start?.type !== 'start') throw new TypeError('the first request must be "start"');
  const { config } = start;
  const began = performance.now();
  const data = start.data ?? (await storedImages());
  if (data === undefined) {
    scope.postMessage({ type: 'needsImages' });
    return;
  }
  const models = await openModels(start.resume, { config, data, ort });
  const [first] = models as [Model, ...Model[]];
  const { device } = first.run;
  const engine = await openOnnxEngine({ ort: await ort(device), device });
  const sampler = createSampler(engine, first.setup, first.setup.config.sampler);
  let { step } = first.run;
  let drawings = await first.drawings();
  scope.postMessage({
    type: 'ready',
    ...describe(first),
    deviceProbe: await first.deviceProbe(),
    ...(start.data === undefined && { data }),
    step,
    history: await first.history(),
    drawings,
    seconds: secondsSince(began),
  });

  const levels = new LossByLevel(10, first.setup.noiseSchedule.numTimesteps, 0.95);
  const schedule = new PictureSchedule(pictureShare);
  let isPlaying = false;
  let stepsWanted = 0;

  const draw = async (): Promise<void> => {
    const drawing = performance.now();
    const drawn: Float32Array[] = [];
    for (const model of models) drawn.push(await model.drawPictures(sampler));
    const seconds = secondsSince(drawing);
    schedule.addDrawing(step, seconds);
    const agreement = drawn.length === 2 ? agreementOf(drawn[0]!, drawn[1]!, data.shape) : undefined;
    scope.postMessage({ type: 'pictures', step, pictures: drawn, ...(agreement && { agreement }), seconds });
    drawings = withDrawing(drawings, { step, pictures: drawn.map(toBytes), ...(agreement && { agreement }) });
    await first.storeDrawings(drawings);
  };
  await draw();

  for (;;) {
    await eventLoopTurn();
    if (!isPlaying && stepsWanted === 0) await next();
    for (let request = requests.shift(); request !== undefined; request = requests.shift()) {
      if (request.type === 'play') isPlaying = step < config.steps;
      else if (request.type === 'pause') isPlaying = false;
      else if (request.type === 'step') stepsWanted = step < config.steps ? stepsWanted + 1 : 0;
      else if (request.type === 'draw') {
        const frames = await first.drawFrames(engine, request.options);
        scope.postMessage({ type: 'drawn', options: request.options, frames, step });
      } else if (request.type === 'weights') {
        const bytes = await first.weightsFile();
        scope.postMessage({ type: 'weights', bytes, step }, [bytes.buffer]);
      } else if (request.type === 'run') {
        // Without space for a checkpoint or the archive, training continues.
        const packed = await first.zip().catch(messageOf);
        scope.postMessage(
          typeof packed === 'string' ? { type: 'notPacked', message: packed } : { type: 'run', zip: packed, step },
        );
      } else throw new TypeError(`the request "${request.type}" is not expected here`);
    }
    if (!isPlaying && stepsWanted === 0) continue;

    const stepping = performance.now();
    const outcomes: StepOutcome[] = [];
    for (const model of models) {
      const outcome = await model.step();
      if (outcome !== undefined) outcomes.push(outcome);
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

/** Opens the networks; those that were stored after different numbers of steps start again together. */
async function openModels(
  resume: boolean,
  options: Pick<Parameters<typeof Model.open>[0], 'config' | 'data' | 'ort'>,
): Promise<Model[]> {
  const models: Model[] = [];
  for (let index = 0; index < (options.config.twins ? 2 : 1); index++) {
    // Both on one device, which the first one may have measured.
    const device = models[0]?.run.device ?? options.config.device;
    models.push(await Model.open({ ...options, device, index, resume }));
  }
  const isTogether = models.every(({ run: { step } }) => step === models[0]!.run.step);
  if (isTogether) return models;
  for (const model of models) await model.close();
  return openModels(false, options);
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

function describe({ run: { config, engine, parameters }, setup, isStored }: Model) {
  const { classes, noiseSchedule, lr, momentum, batches } = setup;
  const points = Array.from({ length: 201 }, (_, i) => Math.min(config.totalSteps - 1, (i * config.totalSteps) / 200));
  return {
    device: String(engine['device']),
    threads: String(engine['threads']),
    parameters,
    classes,
    alphasCumprod: Float64Array.from(noiseSchedule.alphasCumprod),
    lr: Float64Array.from(points, (step) => lr(Math.floor(step))),
    momentum: Float64Array.from(points, (step) => momentum(Math.floor(step))),
    noise: normal(
      { seed: samplingSeed, stream: 'sample' },
      batches.shape.reduce((a, b) => a * b),
    ),
    isStored,
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
