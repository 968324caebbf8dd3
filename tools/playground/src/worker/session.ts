/** Trains in a worker: answers the page's requests between optimizer steps. */
import { normal } from '@dm/core';
import { consistency } from '@dm/eval';
import { openOnnxEngine, type OnnxRuntimeModule } from '@dm/jit';
import { DmError } from '@dm/ops';
import type { BrowserDevice } from '@dm/trainer/browser';
import type { StepOutcome } from '@dm/trainer/core';
import { toBytes, withDrawing } from '../data/picture-history.js';
import { LossByLevel } from './loss-by-level.js';
import type { Agreement, HistoryPoint, Report, Request } from './messages.js';
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
  const { models, notes } = await openModels(start.resume, { config, data, ort });
  const [first, second] = models as [Model, Model?];
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
    history: joinedHistory(await first.history(), await second?.history()),
    ...(notes.length > 0 && { note: notes.join(' ') }),
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
    const agreement = drawn.length === 2 ? agreementOf(drawn[0]!, drawn[1]!, data.shape) : undefined;
    scope.postMessage({ type: 'pictures', step, pictures: drawn, ...(agreement && { agreement }), seconds });
    drawings = withDrawing(drawings, { step, pictures: drawn.map(toBytes), ...(agreement && { agreement }) });
    await saveAll();
    await first.storeDrawings(drawings);
    schedule.addDrawing(step, secondsSince(drawing));
  };
  /** Saves both networks, so that a reload finds them at the same step; returns why that failed, if it did. */
  const trySave = async (): Promise<string | undefined> => {
    let problem: string | undefined;
    for (const model of models) {
      problem ??= await model.save().then(
        () => undefined,
        (error: unknown) => messageOf(error),
      );
    }
    return problem;
  };
  /** Without space, training continues. */
  const saveAll = async (): Promise<void> => {
    if (first.isStored === true) scope.postMessage({ type: 'saved', problem: await trySave(), step });
  };
  /** A request whose failure does not end the training. */
  const answer = async (request: 'draw' | 'weights' | 'run', work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      scope.postMessage({ type: 'refused', request, message: messageOf(error) });
    }
  };
  await draw();
  if (step === config.steps) scope.postMessage({ type: 'finished' });

  for (;;) {
    await eventLoopTurn();
    if (!isPlaying && stepsWanted === 0) await next();
    for (let request = requests.shift(); request !== undefined; request = requests.shift()) {
      if (request.type === 'play') isPlaying = step < config.steps;
      else if (request.type === 'pause') isPlaying = false;
      else if (request.type === 'step') stepsWanted = step < config.steps ? stepsWanted + 1 : 0;
      else if (request.type === 'draw') {
        const { options } = request;
        await answer('draw', async () => {
          const frames = await first.drawFrames(engine, options);
          scope.postMessage({ type: 'drawn', options, frames, step });
        });
      } else if (request.type === 'weights') {
        await answer('weights', async () => {
          const bytes = await first.weightsFile();
          scope.postMessage({ type: 'weights', bytes, step }, [bytes.buffer]);
        });
      } else if (request.type === 'run') {
        await answer('run', async () => {
          const problem = await trySave();
          scope.postMessage({ type: 'run', zip: await first.zip(), step: first.savedStep, problem });
        });
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
    const [{ sample, result }] = outcomes as [StepOutcome, ...StepOutcome[]];
    const skipped = outcomes.find((outcome) => outcome.skipped !== undefined)?.skipped;
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

/**
 * Opens the networks. Those that were stored after different numbers of steps go back to the last one that all have, or start
 * again together.
 */
async function openModels(
  resume: boolean,
  options: Pick<Parameters<typeof Model.open>[0], 'config' | 'data' | 'ort' | 'unstored'>,
  isSecondTry = false,
): Promise<{ readonly models: Model[]; readonly notes: readonly string[] }> {
  const models: Model[] = [];
  for (let index = 0; index < (options.config.twins ? 2 : 1); index++) {
    // Both on one device, which the first one may have measured.
    const device = models[0]?.run.device ?? options.config.device;
    models.push(await Model.open({ ...options, device, index, resume }));
  }
  const reasons = models.flatMap(({ isStored }) => (isStored === true ? [] : [isStored]));
  if (reasons.length > 0 && reasons.length < models.length) {
    // The run of the other network stays as it is: alone, it would start again together with the one that is not stored.
    for (const model of models) await model.close();
    return openModels(resume, { ...options, unstored: reasons[0] });
  }
  const steps = models.map((model) => model.run.step);
  const least = Math.min(...steps);
  const isTogether = steps.every((step) => step === least);
  if (isTogether) return { models, notes: models.flatMap(({ notes }) => notes) };
  for (const model of models) {
    await model.close();
    await model.removeCheckpointsAfter(least);
  }
  if (!isSecondTry) return openModels(resume, options, true);
  const again = await openModels(false, options);
  return { ...again, notes: ['The two networks were saved at different steps, so training starts again.'] };
}

/** The log of the first network, with the second one's losses at the same steps. */
function joinedHistory(first: readonly HistoryPoint[], second: readonly HistoryPoint[] = []): HistoryPoint[] {
  const losses = new Map(second.map(({ step, loss }) => [step, loss]));
  return first.map((point) => {
    const loss = losses.get(point.step);
    return loss === undefined ? point : { ...point, second: loss };
  });
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
