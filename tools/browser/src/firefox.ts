/** Firefox, driven by WebDriver BiDi, which its releases have. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { launch, type Browser } from 'puppeteer-core';

const names = ['firefox', 'firefox-esr'];
const folders = (process.env['PATH'] ?? '').split(delimiter);

/** Path of the browser, if one is installed. */
const executablePath =
  process.env['DM_FIREFOX'] ?? names.flatMap((name) => folders.map((f) => join(f, name))).find((p) => existsSync(p));

/** Whether tests run: Firefox is optional. */
export const hasFirefox = executablePath !== undefined;

export function launchFirefox(): Promise<Browser> {
  return launch({ browser: 'firefox', executablePath: executablePath!, headless: true, timeout: 120_000 });
}
