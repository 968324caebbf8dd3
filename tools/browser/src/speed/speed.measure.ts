/**
 * Steps per second of the same steps in the same Chromium: @dm, TensorFlow.js, and jax-js, and @dm in Node. Contenders take
 * turns, a few steps each, so that whatever else the machine does slows down all of them. Writes results/speed.json, and
 * the tables of docs/browser.md. Run by `nx run browser:speed`.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { openOnnxEngine } from '@dm/jit';
import type { Engine } from '@dm/ops';
import * as tf from '@tensorflow/tfjs-core';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { buildPage } from '../build-page.js';
import { hasChromium, launch, openPage, serveFolder } from '../chromium.js';
import type { Opened, Order, Timed } from '../speed-page/serve.js';
import { contenders, type Contender, type SpeedFile, type SpeedResult } from './contenders.js';
import { openStep, timed, type Step, type Work, works } from './steps.js';
import { withSpeedTables } from './tables.js';

const rounds = Number(process.env['DM_SPEED_ROUNDS'] ?? 5);
/** Steps of a turn, and how long a step may take for more than one. */
const [stepsPerTurn, slowMs] = [4, 3000] as const;

const resultsFile = new URL('../../results/speed.json', import.meta.url);
const docsFile = new URL('../../../../docs/browser.md', import.meta.url);

interface Entrant {
  readonly work: Work;
  readonly contender: Contender;
  readonly run: (count: number) => Promise<readonly number[]>;
  readonly ms: number[];
  readonly loss: number;
}

it('measures', { timeout: 3_600_000 }, async () => {
  expect(hasChromium()).toBe(true);
  const before = loadavg()[0]!;
  const folder = await buildPage('speed-page', false);
  const browser = await launch();
  const pages = new Map<number, Page>();
  const close: (() => void)[] = [];
  for (const threads of [1, 2]) {
    const { url, server } = await serveFolder(folder, threads === 2);
    const { page } = await openPage(browser, url);
    await page.waitForFunction('"open" in globalThis');
    pages.set(threads, page);
    close.push(() => server.close());
  }
  const engines: Engine[] = [];
  const results: SpeedResult[] = [];
  try {
    for (const work of works) {
      // The contenders of one work are open at the same time.
      const entrants: Entrant[] = [];
      for (const contender of contenders.filter(({ works: only = works }) => only.includes(work))) {
        const opened = await enter(contender, work, pages, engines);
        if ('run' in opened) entrants.push(opened);
        else results.push(opened);
      }
      for (let round = 0; round < rounds; round++) {
        for (const { run, ms } of entrants) ms.push(...(await run((ms[0] ?? slowMs) >= slowMs ? 1 : stepsPerTurn)));
      }
      for (const { contender, ms, loss } of entrants) {
        const { name, threads } = contender;
        results.push({ work, name, threads, ms: ms.map((value) => Number(value.toPrecision(4))), loss });
      }
    }
    const file: SpeedFile = {
      machine: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
      load: [before, loadavg()[0]!],
      browser: `Chromium ${browser.version()}`,
      date: new Date().toISOString().slice(0, 10),
      rounds,
      results,
      conv2dGradient: await stockGradients(pages.get(1)!),
      missingGradients: await missingGradients(),
    };
    writeFileSync(resultsFile, `${JSON.stringify(file, undefined, 1)}\n`);
    writeFileSync(docsFile, withSpeedTables(readFileSync(docsFile, 'utf8'), file));
  } finally {
    await browser.close();
    for (const end of close) end();
    for (const engine of engines) await engine.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Opens a contender, and makes the first two steps, which are not timed. */
async function enter(
  contender: Contender,
  work: Work,
  pages: ReadonlyMap<number, Page>,
  engines: Engine[],
): Promise<Entrant | SpeedResult> {
  const { name, library, backend, threads } = contender;
  if (library === undefined) {
    const engine = await openOnnxEngine({ convolutions: 'plain', threads });
    engines.push(engine);
    const step: Step = await openStep(engine, work);
    await step();
    return { work, contender, run: (count) => timed(step, count), ms: [], loss: await step() };
  }
  const page = pages.get(threads)!;
  const key = `${work} ${name}`;
  const { losses, error } = await inPage<Opened>(page, 'open', key, library, { do: 'open', work, backend, threads });
  if (losses === undefined) return { work, name, threads, error: error ?? 'no reason given' };
  const run = async (count: number) => (await inPage<Timed>(page, 'steps', key, count)).ms;
  return { work, contender, run, ms: [], loss: losses[1]! };
}

async function inPage<T>(
  page: Page,
  call: 'open' | 'steps',
  ...given: readonly (string | number | Order)[]
): Promise<T> {
  const answer = await page.evaluate(
    (task) => (globalThis as unknown as Record<string, (...values: unknown[]) => unknown>)[task.call]!(...task.given),
    { call, given: [...given] as unknown[] },
  );
  return answer as T;
}

/** The error of the gradient of TF.js's own convolution, on each backend. */
async function stockGradients(page: Page): Promise<Record<string, string | null>> {
  const errors: Record<string, string | null> = {};
  for (const backend of ['wasm', 'webgl', 'cpu']) {
    const order = { do: 'open', work: 'conv2d', backend, threads: 1 } as const;
    const { error = null } = await inPage<Opened>(page, 'open', `conv2d ${backend}`, 'tfjs', order);
    errors[backend] = error;
  }
  return errors;
}

async function missingGradients(): Promise<Record<string, string[]>> {
  await Promise.all([
    import('@tensorflow/tfjs-backend-cpu'),
    import('@tensorflow/tfjs-backend-wasm'),
    import('@tensorflow/tfjs-backend-webgl'),
  ]);
  const kernelsOf = (backend: string) => tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName);
  const gradients = kernelsOf('cpu').filter((name) => /Grad$|Backprop/.test(name));
  return Object.fromEntries(
    ['wasm', 'webgl'].map((backend) => {
      const has = new Set(kernelsOf(backend));
      return [backend, gradients.filter((name) => !has.has(name)).toSorted()];
    }),
  );
}
