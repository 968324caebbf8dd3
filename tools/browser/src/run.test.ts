/** Runs in Chromium: stored, reloaded, and shared by two tabs. */
import { rmSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildPage } from './build-page.js';
import { hasChromium, launch, serveFolder } from './chromium.js';
import type { RunTask } from './run-page/worker.js';

interface Done {
  readonly firstStep: number;
  readonly losses: readonly number[];
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
      task,
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
    expect(await call(page, { do: 'runs', store, name: '' })).toEqual(['reloaded', 'whole']);
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
