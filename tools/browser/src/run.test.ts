/** Runs in Chromium: stored, reloaded, and shared by two tabs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSafetensors } from '@dm/models';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildPage } from './build-page.js';
import { hasChromium, launch, serveFolder } from './chromium.js';
import { dm } from './dm.js';
import { sixSteps } from './run.js';
import type { RunTask } from './run-page/worker.js';

interface Done {
  readonly firstStep: number;
  readonly losses: readonly number[];
}

/** The logged losses of a run. */
function lossesOf(run: string): number[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { readonly loss: number }).loss);
}

/** Largest relative difference. */
const relative = (a: readonly number[], b: readonly number[]): number =>
  Math.max(...b.map((value, i) => Math.abs(value - (a[i] ?? NaN)) / Math.abs(value)));

/** Norm of the difference of the weights of two runs after six steps, relative to the norm of the weights. */
function weightDifference(one: string, other: string): number {
  const tensorsOf = (run: string) =>
    parseSafetensors(readFileSync(join(run, 'checkpoints/step-000006/model.safetensors'))).tensors;
  const [a, b] = [tensorsOf(one), tensorsOf(other)];
  let [difference, norm] = [0, 0];
  for (const [name, { data }] of Object.entries(b)) {
    for (let i = 0; i < data.length; i++) {
      difference += (a[name]!.data[i]! - data[i]!) ** 2;
      norm += data[i]! ** 2;
    }
  }
  return Math.sqrt(difference / norm);
}

/** Shown in the output of the tests, for docs/browser.md. */
function report(text: string): void {
  // oxlint-disable-next-line no-console
  console.log(text);
}

describe.skipIf(!hasChromium())('a run in Chromium', () => {
  let folder: string;
  let browser: Browser;
  let context: BrowserContext;
  let served: Awaited<ReturnType<typeof serveFolder>>;

  beforeAll(async () => {
    folder = await buildPage('run-page');
    browser = await launch();
    served = await serveFolder(folder, false);
  });
  afterAll(async () => {
    await browser?.close();
    served?.server.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    context = await browser.newContext();
  });
  afterEach(() => context.close());

  async function openTab(): Promise<Page> {
    const page = await context.newPage();
    await page.goto(served.url);
    return page;
  }

  async function call<T>(page: Page, task: RunTask): Promise<T> {
    await page.waitForFunction('"call" in globalThis');
    return (await page.evaluate(
      (given) => (globalThis as unknown as { call(task: unknown): Promise<unknown> }).call(given),
      task as unknown, // playwright would derive a type from all of the configuration
    )) as T;
  }

  it.each(['opfs', 'indexeddb'] as const)('survives a reload bit-identically in %s', async (store) => {
    const page = await openTab();
    const whole = await call<Done>(page, { do: 'finish', store, name: 'whole' });
    expect(whole.losses).toHaveLength(6);

    await call(page, { do: 'steps', store, name: 'reloaded', count: 4 });
    await page.reload();
    const rest = await call<Done>(page, { do: 'finish', store, name: 'reloaded' });
    expect(rest).toEqual({ firstStep: 3, losses: whole.losses.slice(3) });
    const files = await call<Record<string, string>>(page, { do: 'files', store, name: 'reloaded' });
    expect(Object.keys(files)).toContain('checkpoints/step-000006/optimizer.safetensors');
    expect(files).toEqual(await call(page, { do: 'files', store, name: 'whole' }));
    expect(await call(page, { do: 'files', store, name: 'empty' })).toEqual({}); // opened, but no run
    expect(await call(page, { do: 'runs', store, name: '' })).toEqual(['reloaded', 'whole']);
  });

  it('continues in Node from its zip, which equals a run in Node, and in a page from a zip of Node', async () => {
    const page = await openTab();
    const task = { store: 'opfs', name: 'moved' } as const;
    const { losses } = await call<Done>(page, { ...task, do: 'steps', count: 3 });
    const work = mkdtempSync(join(tmpdir(), 'dm-run-'));
    try {
      const zip = join(work, 'moved.zip');
      writeFileSync(zip, Uint8Array.from(await call<number[]>(page, { ...task, do: 'export' })));
      dm(work, 'train', '--resume', zip, '--threads', '1');
      const continued = join(work, 'runs', 'moved');

      // The same run in Node alone, on the data that the zip has.
      const config = join(work, 'six.json');
      writeFileSync(config, JSON.stringify({ ...sixSteps, data: join(continued, 'data.shard') }));
      dm(work, 'train', '--config', config, '--out', 'alone', '--threads', '1');
      const alone = lossesOf(join(work, 'alone'));
      expect(relative([...losses, ...lossesOf(continued).slice(3)], alone)).toBeLessThan(1e-5);
      const difference = weightDifference(continued, join(work, 'alone'));
      report(`weights after 3 steps in Chromium and 3 in Node, against 6 in Node: relative difference ${difference}`);
      expect(difference).toBeLessThan(1e-5);

      // And back.
      dm(work, 'train', '--config', config, '--out', 'half', '--threads', '1', '--step-budget', '3');
      dm(work, 'export', '--run', 'half', '--out', 'half.zip');
      const back = { store: 'opfs', name: 'back' } as const;
      await call(page, { ...back, do: 'import', zip: [...readFileSync(join(work, 'half.zip'))] });
      const rest = await call<Done>(page, { ...back, do: 'finish' });
      expect(rest.firstStep).toBe(3);
      expect(relative(rest.losses, alone.slice(3))).toBeLessThan(1e-5);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  });

  interface Trained {
    readonly opened: {
      readonly step: number;
      readonly device: string;
      readonly config: { readonly recorded?: Record<string, unknown> };
    };
    readonly losses: readonly number[];
    readonly logged: readonly number[];
    readonly notes: readonly string[];
    readonly sampled: number;
    readonly storage: { readonly quota?: number; readonly usage?: number };
  }

  /** Trains in a worker that the page is connected to by typed messages. */
  async function train(page: Page, task: object): Promise<Trained> {
    await page.waitForFunction('"train" in globalThis');
    return (await page.evaluate(
      (given) => (globalThis as unknown as { train(task: unknown): Promise<unknown> }).train(given),
      task,
    )) as Trained;
  }

  it('measures both devices once, records them, and keeps the faster one after a reload', async () => {
    const page = await openTab();
    const begun = await train(page, { name: 'measured', device: 'cpu', steps: 4 });
    expect(begun).toMatchObject({ opened: { step: 0 }, logged: [1, 2, 3, 4], notes: [], sampled: 64 });
    expect(begun.storage.usage).toBeGreaterThan(10_000);
    expect(begun.storage.quota).toBeGreaterThan(begun.storage.usage!);
    await page.reload();
    const resumed = await train(page, { name: 'measured', device: 'cpu' });
    expect(resumed).toMatchObject({ opened: { step: 3, device: begun.opened.device }, logged: [4, 5, 6], notes: [] });
    const { cpu, webgpu } = resumed.opened.config.recorded!['deviceProbe'] as { cpu: number; webgpu: number };
    report(`ms of a step: cpu ${cpu}, webgpu (software) ${webgpu}`);
    expect(begun.opened.device).toBe(webgpu < cpu ? 'webgpu' : 'cpu');
    expect(resumed.losses[0]).toBe(begun.losses[3]);
  });

  it('survives a reload bit-identically on WebGPU', async () => {
    const page = await openTab();
    const whole = await train(page, { name: 'whole', device: 'webgpu' });
    expect(whole.opened.device).toBe('webgpu');
    await train(page, { name: 'reloaded', device: 'webgpu', steps: 4 });
    await page.reload();
    const rest = await train(page, { name: 'reloaded', device: 'webgpu' });
    expect(rest.opened).toMatchObject({ step: 3, device: 'webgpu' });
    expect(rest.losses).toEqual(whole.losses.slice(3));
    const filesOf = (name: string) => call(page, { do: 'files', store: 'opfs', name });
    const [a, b] = (await Promise.all(['reloaded', 'whole'].map(filesOf))) as Record<string, string>[];
    const file = 'checkpoints/step-000006/model.safetensors';
    expect(a![file]).toMatch(/^[0-9a-f]{64}$/);
    expect(a![file]).toBe(b![file]);
  });

  it('needs no more memory and space after 2000 steps than after 500', async () => {
    const page = await openTab();
    const config = {
      totalSteps: 2000,
      logEvery: 50,
      sampleEvery: 100,
      checkpoints: { every: 100, keepLast: 2 },
    } as const;
    const measured: { wasm: number; resident: number; stored: number }[] = [];
    for (let done = 500; done <= 2000; done += 500) {
      await call(page, { do: 'steps', store: 'opfs', name: 'long', config, count: 500 });
      measured.push({
        wasm: await call<number>(page, { do: 'memory', store: 'opfs', name: 'long' }),
        resident: await residentBytes(),
        stored: await page.evaluate<number>('navigator.storage.estimate().then(({ usage }) => usage)'),
      });
    }
    report(`after 500, 1000, 1500, and 2000 steps: ${JSON.stringify(measured)}`);
    const [first, last] = [measured[0]!, measured[3]!];
    expect(first.wasm).toBeGreaterThan(2 ** 20);
    expect(last.wasm).toBe(first.wasm);
    // The process also has garbage that has not been collected yet, and the store what it has not removed yet: both vary by
    // tens of percent. A leak of 60 kB per step would be found.
    expect(last.resident).toBeLessThan(1.3 * first.resident);
    expect(last.stored).toBeLessThan(2 * first.stored);
  });

  /** Process IDs of the tabs. */
  async function renderers(): Promise<number[]> {
    const session = await browser.newBrowserCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  /** Resident memory of the largest renderer process, in bytes. */
  async function residentBytes(): Promise<number> {
    const sizes = (await renderers()).map((id) =>
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${id}/status`, 'utf8'))?.[1] ?? 0),
    );
    return 1024 * Math.max(...sizes);
  }

  // Chromium's override of the quota does not limit IndexedDB.
  it('keeps the last checkpoint when the quota is exceeded', async () => {
    const page = await openTab();
    const task = { store: 'opfs', name: 'full' } as const;
    await call(page, { ...task, do: 'steps', count: 4 });
    const before = await call<Record<string, string>>(page, { ...task, do: 'files' });
    const session = await context.newCDPSession(page);
    const { origin } = new URL(served.url);
    await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1000 });
    await expect(call(page, { ...task, do: 'finish' })).rejects.toThrow(/DISK_FULL.*step 6 was not saved/);
    expect(await call(page, { ...task, do: 'files' })).toEqual(before);
    await session.send('Storage.overrideQuotaForOrigin', { origin });
    await page.reload();
    expect(await call<Done>(page, { ...task, do: 'finish' })).toMatchObject({ firstStep: 3 });
  });

  it.each(['opfs', 'indexeddb'] as const)(
    'continues bit-identically in %s after its tab was killed during a save',
    async (store) => {
      const page = await openTab();
      const whole = await call<Done>(page, { do: 'finish', store, name: 'whole' });
      const wholeFiles = await call<Record<string, string>>(page, { do: 'files', store, name: 'whole' });
      await page.close();

      const killed = await openTab();
      const half = 'checkpoints/step-000006/optimizer.safetensors';
      const task = { store, name: 'killed' } as const;
      call(killed, { ...task, do: 'finish', stallAt: half }).catch(() => {}); // it never returns
      const filesOf = (tab: Page) => call<Record<string, string>>(tab, { ...task, do: 'files' });
      await expect.poll(async () => Object.keys(await filesOf(killed)), { timeout: 20_000 }).toContain(half);
      const crashed = killed.waitForEvent('crash');
      for (const pid of await renderers()) process.kill(pid, 'SIGKILL');
      await crashed;
      await killed.close();

      const reopened = await openTab();
      const left = await filesOf(reopened);
      expect(left[half]).not.toBe(wholeFiles[half]);
      expect(Object.keys(left)).toContain('checkpoints/step-000003/manifest.json');
      expect(Object.keys(left)).not.toContain('checkpoints/step-000006/manifest.json');
      const rest = await call<Done>(reopened, { ...task, do: 'finish' });
      expect(rest).toEqual({ firstStep: 3, losses: whole.losses.slice(3) });
      expect(await filesOf(reopened)).toEqual(wholeFiles);
    },
  );

  it('continues in a new worker after its worker crashed', async () => {
    const page = await openTab();
    const device = { device: 'cpu', threads: 1 };
    const whole = await train(page, { name: 'whole', ...device });
    const errors = await page.evaluate<string[]>('crash({ name: "crashed", steps: 4 })');
    expect(errors).toHaveLength(2);
    for (const error of errors) expect(error).toMatch(/^RUN_CLOSED .*crashed on request/);
    const rest = await train(page, { name: 'crashed', ...device });
    expect(rest.opened).toMatchObject({ step: 3 });
    expect(rest.losses).toEqual(whole.losses.slice(3));
  });

  it('is refused in a second tab while it is open in the first', async () => {
    const [first, second] = [await openTab(), await openTab()];
    const task = { do: 'steps', store: 'opfs', name: 'shared', count: 1 } as const;
    await call(first, task);
    await expect(call(second, task)).rejects.toThrow(/RUN_LOCKED.*shared/);
    await first.close();
    await second.reload(); // the worker remembers that its run could not be opened
    expect(await call<Done>(second, task)).toMatchObject({ firstStep: 0 });
    await call(second, { ...task, do: 'abort' });
    expect(await call<Done>(second, task)).toMatchObject({ firstStep: 1 });
  });
});
