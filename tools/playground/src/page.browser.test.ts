/** The built page in Chromium. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launch, serveFolder } from '../../browser/src/chromium.js';

const folder = fileURLToPath(new URL('../dist', import.meta.url));
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A run that takes seconds. */
const small = '#batch=4&steps=200';

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** Makes the built page in a folder another version, whose files have other names. */
function renameAssets(root: string): void {
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => /^assets.*\.\w+$/.test(path));
  const names = paths.map((path) => basename(path));
  const renamed = (text: string) => names.reduce((all, name) => all.replaceAll(name, `new-${name}`), text);
  for (const path of paths) {
    const file = join(root, path);
    if (/\.(?:js|css|mjs)$/.test(path)) writeFileSync(file, renamed(readFileSync(file, 'utf8')));
    renameSync(file, join(dirname(file), `new-${basename(file)}`));
  }
  for (const name of ['index.html', 'service-worker.js']) {
    const file = join(root, name);
    const text = renamed(readFileSync(file, 'utf8'));
    writeFileSync(file, text.replace(/(`\$\{prefix\})([0-9a-f]{16})/, '$1f$2'));
  }
}

describe.skipIf(!hasChromium())('the playground in Chromium', () => {
  let browser: Browser;
  let server: Server;
  let isolatedServer: Server;
  let urls: { readonly plain: string; readonly isolated: string };
  let context: BrowserContext | undefined;
  let messages: string[];

  beforeAll(async () => {
    browser = await launch();
    const plain = await serveFolder(folder, false);
    const isolated = await serveFolder(folder, true);
    [server, isolatedServer] = [plain.server, isolated.server];
    urls = { plain: plain.url, isolated: isolated.url };
  });
  afterEach(async () => {
    await context?.close();
    context = undefined;
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    isolatedServer?.close();
  });

  async function open(url: string, options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    context = await browser.newContext(options);
    const page = await context.newPage();
    messages = [];
    page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => messages.push(`thrown: ${error.message}`));
    await page.goto(url);
    return page;
  }

  const stepsDone = async (page: Page): Promise<number> =>
    Number((await page.locator('#fact-step').textContent())!.split(' ')[0]!.replace(',', ''));
  const waitForSteps = (page: Page, steps: number, timeout = 60_000) =>
    page.waitForFunction(
      `Number(document.getElementById('fact-step').textContent.split(' ')[0].replace(',', '')) >= ${steps}`,
      undefined,
      { timeout },
    );
  const waitForState = (page: Page, state: string) =>
    page.waitForFunction(`document.body.dataset.state === '${state}'`);
  // By a locator, since a content security policy does not let the page evaluate a text.
  const waitForPictures = (page: Page, step: number, timeout = 60_000) =>
    page.locator(`body[data-pictures="${step}"]`).waitFor({ timeout });
  /** Until neither step nor pictures have changed for two seconds: some may be on their way after a pause. */
  const waitUntilStill = async (page: Page): Promise<void> => {
    const shown = async () => `${await stepsDone(page)} ${await page.getAttribute('body', 'data-pictures')}`;
    for (let [before, now] = ['', await shown()]; before !== now; now = await shown()) {
      before = now;
      await page.waitForTimeout(2000);
    }
  };
  const pictures = (page: Page) => page.evaluate<string>(`document.getElementById('pictures-0').toDataURL()`);

  it('trains five steps, changes its pictures, pauses, makes one step, and resets', async () => {
    const page = await open(`${urls.isolated}${small}`, { reducedMotion: 'reduce' });
    // With reduced motion nothing starts by itself.
    await waitForPictures(page, 0);
    expect(await page.locator('#state').textContent()).toBe('Paused');
    expect(await page.locator('#fact-device').textContent()).toMatch(/^CPU, [2-8] threads$/);
    const untrained = await pictures(page);

    await page.click('#play');
    await waitForSteps(page, 5);
    await page.click('#play');
    await waitForState(page, 'paused');
    await waitUntilStill(page);
    const paused = await stepsDone(page);
    expect(paused).toBeGreaterThanOrEqual(5);
    expect(await pictures(page)).not.toBe(untrained);
    await page.waitForTimeout(500);
    expect(await stepsDone(page)).toBe(paused);

    await page.click('#step');
    await waitForPictures(page, paused + 1);
    expect(await stepsDone(page)).toBe(paused + 1);

    await page.selectOption('#ask [name=label]', '3');
    await page.fill('#ask [name=steps]', '4');
    await page.click('#ask-draw');
    await page.waitForFunction(`document.getElementById('frame').max === '3'`);
    expect(await page.locator('#frame-label').textContent()).toMatch(/^Step 4 of 4/);

    const downloading = page.waitForEvent('download');
    await page.click('#download');
    const file = readFileSync(await (await downloading).path());
    const header = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString()) as object;
    expect(header).toHaveProperty(['conv_in.weight', 'shape'], [16, 1, 3, 3]);

    // The run continues in Node.
    const packing = page.waitForEvent('download');
    await page.click('#download-run');
    const download = await packing;
    expect(download.suggestedFilename()).toBe(`playground-mnist14-unet-step-${paused + 1}.zip`);
    expect(await page.locator('#shared').textContent()).toContain('npm start -- --resume');
    const temporary = mkdtempSync(join(tmpdir(), 'dm-playground-'));
    try {
      const zip = join(temporary, download.suggestedFilename());
      await download.saveAs(zip);
      const dm = fileURLToPath(new URL('../../../packages/trainer/bin/dm.js', import.meta.url));
      const output = execFileSync(process.execPath, [dm, 'train', '--resume', zip, '--out', join(temporary, 'run')], {
        encoding: 'utf8',
      });
      expect(output).toContain(`steps ${paused + 1} to 200`);
      expect(readdirSync(join(temporary, 'run', 'checkpoints')).at(-1)).toBe('step-000200');
    } finally {
      rmSync(temporary, { recursive: true });
    }

    await page.click('#reset');
    await page.waitForFunction(`document.getElementById('fact-step').textContent.startsWith('0 of')`);
    await waitForPictures(page, 0);
    // The same seed draws the same pictures.
    expect(await pictures(page)).toBe(untrained);
    expect(messages).toEqual([]);
  });

  it('works under the content security policy of the documentation', async () => {
    const docs = readFileSync(new URL('../../../docs/browser.md', import.meta.url), 'utf8');
    const policy = /^Content-Security-Policy: (.+)$/m.exec(docs)![1]!;
    const strict = await serveFolder(folder, true, { 'Content-Security-Policy': policy });
    try {
      const page = await open(`${strict.url}${small}`, { reducedMotion: 'reduce' });
      await waitForPictures(page, 0);
      expect(await page.locator('#fact-device').textContent()).toMatch(/^CPU, [2-8] threads$/);
      await page.click('#step');
      await waitForPictures(page, 1);
      // The policy is in force: a script in the page is refused.
      await page.evaluate(
        `document.head.append(Object.assign(document.createElement('script'), { text: 'ran = true' }))`,
      );
      expect(await page.evaluate(`'ran' in globalThis`)).toBe(false);
      expect(messages).toHaveLength(1);
      expect(messages[0]).toMatch(/Content Security Policy/);
    } finally {
      strict.server.close();
    }
  });

  it('trains on WebGPU', async () => {
    // SwiftShader computes a step in seconds.
    const page = await open(`${urls.plain}#batch=2&steps=20&model=dit&device=webgpu`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0, 200_000);
    expect(await page.locator('#fact-device').textContent()).toBe('GPU');
    await page.click('#step');
    await waitForSteps(page, 1, 200_000);
    expect(await page.locator('#state').textContent()).toBe('Paused');
    expect(await page.locator('#notice').isHidden()).toBe(true);
    expect(messages).toEqual([]);
  });

  it('measures both devices once, takes the faster one, and keeps it after a reload', async () => {
    const page = await open(`${urls.plain}#batch=2&steps=20&model=dit&device=auto`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0, 200_000);
    const chosen = await page.locator('#fact-device').textContent();
    // SwiftShader computes a step in seconds, WebAssembly in milliseconds.
    const times = /^CPU, .*: CPU (\d+) ms, GPU (\d+) ms\)$/;
    expect(chosen).toMatch(times);
    const [, cpu, gpu] = times.exec(chosen!)!;
    expect(Number(gpu)).toBeGreaterThan(Number(cpu));
    await page.click('#step');
    await waitForPictures(page, 1);
    await page.waitForTimeout(500); // for the files of the pictures
    await page.reload();
    await waitForPictures(page, 1);
    expect(await page.locator('#fact-device').textContent()).toBe(chosen);
    expect(messages).toEqual([]);
  });

  it('shows the pictures of earlier steps, also after a reload', async () => {
    const page = await open(`${urls.isolated}#batch=4&steps=40&model=dit`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0);
    for (const step of [1, 2, 3]) {
      await page.click('#step');
      await waitForPictures(page, step);
    }
    const look = async (index: number) => {
      await page.locator('#earlier').evaluate((slider, value) => {
        Object.assign(slider, { value });
        slider.dispatchEvent(new Event('input'));
      }, String(index));
      return [await page.locator('#earlier-step').textContent(), await pictures(page)];
    };
    const before = [await look(0), await look(2), await look(3)];
    expect(before.map(([step]) => step)).toEqual(['0', '2', '3']);
    expect(new Set(before.map(([, image]) => image)).size).toBe(3);
    // The worker stores the pictures after it has sent them.
    await page.waitForTimeout(500);
    await page.reload();
    await waitForPictures(page, 3);
    expect([await look(0), await look(2), await look(3)]).toEqual(before);
    expect(await page.locator('#caption-0').textContent()).toMatch(/after 3 steps/);
    expect(messages).toEqual([]);
  });

  it('has at most 4.5 MB, compressed, without the runtime for WebGPU and the emoji', () => {
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => !/webgpu|jspi|emoji/.test(file))
      .map((file) => join(folder, file))
      .filter((file) => statSync(file).isFile());
    const params = { [constants.BROTLI_PARAM_QUALITY]: 9 };
    const size = files.reduce((sum, file) => sum + brotliCompressSync(readFileSync(file), { params }).length, 0);
    // For the table in docs/browser.md.
    console.log(`playground: ${size} bytes`);
    expect(size).toBeLessThanOrEqual(4_500_000);
  });

  it('isolates itself with its service worker, and works without a network afterwards', async () => {
    const page = await open(`${urls.plain}${small}`, { reducedMotion: 'reduce' });
    await page.waitForFunction('crossOriginIsolated', undefined, { timeout: 60_000 });
    await waitForPictures(page, 0);
    expect(await page.locator('#fact-device').textContent()).toMatch(/^CPU, [2-8] threads$/);
    await context!.setOffline(true);
    await page.reload();
    await page.click('#play');
    await waitForSteps(page, 1);
    expect(messages).toEqual([]);
  });

  it('leaves an address that serves another page later', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'dm-playground-'));
    cpSync(folder, copy, { recursive: true });
    const { server: other, url } = await serveFolder(copy, false);
    try {
      const page = await open(`${url}${small}`, { reducedMotion: 'reduce' });
      await page.waitForFunction('crossOriginIsolated', undefined, { timeout: 60_000 });
      await waitForPictures(page, 0);
      // A server in trouble is not another page.
      rmSync(join(copy, 'index.html'));
      await page.reload();
      await waitForPictures(page, 0);
      writeFileSync(join(copy, 'index.html'), '<title>Another project</title>');
      await page.reload();
      expect(await page.title()).toBe('Another project');
      expect(await page.evaluate('navigator.serviceWorker.getRegistrations().then((all) => all.length)')).toBe(0);
      expect(await page.evaluate('caches.keys()')).toEqual([]);
      await page.reload();
      expect(await page.evaluate('navigator.serviceWorker.controller')).toBe(null);
    } finally {
      other.close();
      rmSync(copy, { recursive: true });
    }
  });

  it('trains on after a new version was put at its address, with the files of the old one', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'dm-playground-'));
    cpSync(folder, copy, { recursive: true });
    const { server: other, url } = await serveFolder(copy, true);
    try {
      const page = await open(`${url}${small}`, { reducedMotion: 'reduce' });
      await waitForPictures(page, 0);
      await page.evaluate('navigator.serviceWorker.ready');
      await page.reload(); // from now on the service worker answers
      await waitForPictures(page, 0);
      renameAssets(copy);
      await page.reload(); // gets the old page, and installs the new version
      await waitForPictures(page, 0);
      await page.waitForFunction(`caches.keys().then((names) => names.length === 2)`);
      await page.waitForFunction(
        `navigator.serviceWorker.getRegistration().then(({ installing, waiting, active }) =>
          installing === null && waiting === null && active.state === 'activated')`,
      );
      await page.click('#reset');
      await waitForState(page, 'loading');
      await waitForPictures(page, 0);
      await page.click('#step');
      await waitForPictures(page, 1);
      expect(messages).toEqual([]);
    } finally {
      other.close();
      rmSync(copy, { recursive: true });
    }
  });

  it('continues on another device, and after an address that was refused', async () => {
    const page = await open(`${urls.isolated}${small}`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0);
    await page.click('#step');
    await waitForPictures(page, 1);
    await page.locator('summary', { hasText: 'More settings' }).click();
    await page.selectOption('[name=device]', 'auto');
    await waitForState(page, 'loading');
    await waitForState(page, 'paused');
    expect(await stepsDone(page)).toBe(1);
    await page.goto('about:blank');
    await page.goto(`${urls.isolated}#batch=0`);
    await waitForState(page, 'paused');
    expect(await stepsDone(page)).toBe(1);
    expect(await page.locator('#notice').textContent()).toContain('batch is "0"');
    expect(await page.evaluate('location.hash')).toBe('#device=auto&batch=4&steps=200');
  });

  it('leaves text that is dropped to the browser', async () => {
    const page = await open(`${urls.isolated}${small}`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0);
    const dropped = (withFile: boolean) =>
      page.evaluate<boolean>(`(() => {
        const dataTransfer = new DataTransfer();
        if (${withFile}) dataTransfer.items.add(new File(['none'], 'none.txt'));
        else dataTransfer.setData('text/plain', '0.001');
        return document.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
      })()`);
    expect(await dropped(false)).toBe(true);
    expect(await page.locator('#notice').isVisible()).toBe(false);
    expect(await dropped(true)).toBe(false);
    await page.locator('#notice').waitFor();
  });

  it('trains on image files, and continues after a reload', async () => {
    const page = await open(`${urls.isolated}#batch=4&steps=12&data=files`, { reducedMotion: 'reduce' });
    await waitForState(page, 'waiting');
    await page.setInputFiles('#files-input', [
      fileURLToPath(new URL('../../../docs/images/mnist.png', import.meta.url)),
      fileURLToPath(new URL('../package.json', import.meta.url)),
    ]);
    await waitForSteps(page, 1); // files that were chosen are trained on at once
    await page.click('#play');
    await waitForState(page, 'paused');
    expect(await page.locator('#notice').textContent()).toMatch(/^1 of 2 files/);
    await waitUntilStill(page);
    const done = (await stepsDone(page)) + 1;
    await page.click('#step');
    await waitForPictures(page, done);
    const before = await pictures(page);
    await page.reload();
    // The images come from the stored run, and the weights are those that were saved.
    await waitForPictures(page, done);
    expect(await pictures(page)).toBe(before);
    expect(await stepsDone(page)).toBe(done);
    await page.click('#step');
    await waitForPictures(page, done + 1);
    expect(messages).toEqual([]);
  });

  it('trains two networks from one noise, and measures their agreement', async () => {
    const page = await open(`${urls.isolated}${small}&twins=1&model=dit`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0);
    await page.click('#step');
    await waitForPictures(page, 1);
    const [first, second] = await page.evaluate<string[]>(
      `[0, 1].map((i) => document.getElementById('pictures-' + i).toDataURL())`,
    );
    expect(first).not.toBe(second);
    expect(Number(await page.getAttribute('body', 'data-agreement'))).toBeGreaterThan(0.5);
    expect(await page.locator('#second').isVisible()).toBe(true);
    expect(await page.locator('#agreement-chart canvas').count()).toBe(1);
    expect(messages).toEqual([]);
  });

  it('keeps the run when the address or a choice is refused, and when the skip link is used', async () => {
    const page = await open(`${urls.isolated}${small}`, {
      reducedMotion: 'reduce',
      serviceWorkers: 'block', // it would answer for the server
    });
    await waitForPictures(page, 0);
    await page.click('#step');
    await waitForPictures(page, 1);
    await page.focus('#skip');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('document.activeElement.id')).toBe('stage');
    expect(await page.evaluate('location.hash')).toBe(small);
    await page.evaluate(`location.hash = 'batch=0'`);
    await page.waitForFunction(`!document.getElementById('notice').hidden`);
    expect(await page.locator('#notice').textContent()).toContain('batch');
    expect(await page.evaluate('location.hash')).toBe(small);
    // A data set that the server does not have.
    await page.route('**/fashion14.images', (route) => route.fulfill({ status: 404 }));
    await page.selectOption('[name=data]', 'fashion14');
    await page.waitForFunction(`document.getElementById('notice').textContent.includes('server')`);
    expect(await page.inputValue('[name=data]')).toBe('mnist14');
    expect(await stepsDone(page)).toBe(1);
    await page.click('#step');
    await waitForPictures(page, 2);
    expect(messages.filter((message) => !/404|blocked by Playwright/.test(message))).toEqual([]);
  });

  it('is finished after a reload if it was before', async () => {
    const page = await open(`${urls.isolated}#batch=4&steps=10&model=dit`);
    await waitForState(page, 'finished');
    await page.waitForTimeout(500); // for the files of the pictures
    await page.reload();
    await waitForPictures(page, 10);
    await waitForState(page, 'finished');
    expect(await page.locator('#play').isDisabled()).toBe(true);
    expect(messages).toEqual([]);
  });

  it('two networks continue together after a reload, whatever was asked for between pictures', async () => {
    const page = await open(`${urls.isolated}${small}&twins=1&model=dit`, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0);
    await page.click('#step');
    await waitForPictures(page, 1);
    await page.click('#ask-draw');
    await page.waitForFunction(`document.getElementById('frame').max === '19'`);
    // A tab that was closed between the checkpoints of the two: the first one has another step more.
    await page.click('#step');
    await waitForPictures(page, 2);
    await page.waitForTimeout(500); // for the files of the pictures
    await page.goto('about:blank');
    await page.goto(`${urls.isolated}service-worker.js`); // the same origin, without the worker that trains
    await page.evaluate(`(async () => {
      const found = [];
      const visit = async (directory, path) => {
        for await (const [name, handle] of directory.entries()) {
          const here = [...path, name];
          if (handle.kind === 'directory' && name === 'step-000002' && path.some((part) => part.includes('playground-1'))) {
            await directory.removeEntry(name, { recursive: true });
            found.push(here.join('/'));
          } else if (handle.kind === 'directory') await visit(handle, here);
        }
      };
      await visit(await navigator.storage.getDirectory(), []);
      if (found.length !== 1) throw new Error('expected one checkpoint, got ' + found);
    })()`);
    await page.goto(`${urls.isolated}${small}&twins=1&model=dit`);
    await waitForPictures(page, 1);
    expect(await stepsDone(page)).toBe(1);
    await page.click('#step');
    await waitForPictures(page, 2);
    // The file above has no icon.
    expect(messages.filter((message) => !message.includes('404'))).toEqual([]);
  });

  it('leaves the stored run as it is if only one of two networks can be stored', async () => {
    const address = `${urls.isolated}${small}&twins=1&model=dit`;
    const page = await open(address, { reducedMotion: 'reduce' });
    await waitForPictures(page, 0);
    await page.click('#step');
    await waitForPictures(page, 1);
    await page.waitForTimeout(500); // for the files of the pictures
    await page.goto('about:blank');
    const other = await context!.newPage();
    await other.goto(`${urls.isolated}service-worker.js`);
    await other.evaluate(`new Promise((held) => {
      navigator.locks.request('dm-runs/opfs/playground-1', () => new Promise(() => held()));
    })`);
    await page.goto(address);
    await waitForPictures(page, 0);
    expect(await page.locator('#saved').textContent()).toMatch(/^Not saved/);
    await other.close();
    await page.goto('about:blank');
    await page.goto(address);
    await waitForPictures(page, 1);
    expect(await stepsDone(page)).toBe(1);
  });

  it('refuses a hostile address, and uses the default settings', async () => {
    const page = await open(`${urls.isolated}#batch=100000&data=<img src=x onerror=alert(1)>&__proto__=1&steps=50`, {
      reducedMotion: 'reduce',
    });
    await waitForPictures(page, 0);
    const notice = (await page.locator('#notice').textContent())!;
    for (const part of ['batch', 'data', '__proto__']) expect(notice).toContain(part);
    expect(await page.locator('#notice img').count()).toBe(0);
    expect(await page.inputValue('[name=batch]')).toBe('32');
    expect(await page.locator('#fact-step').textContent()).toBe('0 of 3,000');
    expect(await page.evaluate('location.hash')).toBe('');
    expect(messages).toEqual([]);
  });

  it.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)(
    'has no accessibility violations and no sideways scrolling, %s, %i pixels wide',
    async (colorScheme, width) => {
      const page = await open(`${urls.isolated}${small}&data=drawings`, {
        colorScheme,
        viewport: { width, height: 800 },
      });
      await waitForState(page, 'waiting');
      // Draws a line with the keyboard.
      await page.focus('#board');
      for (const key of ['Space', 'ArrowRight', 'Space', 'ArrowDown', 'Space']) await page.keyboard.press(key);
      await page.click('#board-add');
      await page.click('#board-train');
      await waitForPictures(page, 1);
      await page.click('#play');
      expect(await page.locator('#examples-caption').textContent()).toContain('25 images');
      for (const summary of await page.locator('summary').all()) await summary.click();
      await page.evaluate(axeSource);
      const violations = await page.evaluate<Violation[]>('axe.run().then(({ violations }) => violations)');
      expect(violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]?.html}`)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
      expect(messages).toEqual([]);
    },
  );
});
