// The rehearsal with npm and this version of Node.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run } from '../bootstrap/commands.mjs';

it('publishes, installs, runs, and uninstalls every package', async () => {
  const rehearse = join(import.meta.dirname, 'rehearse.mjs');
  const { status, output } = await run(process.execPath, [rehearse, '--scope', 'short'], { tee: true });
  expect(output.trimEnd().split('\n').at(-1)).toMatch(/^all packages /);
  expect(status).toBe(0);
  const report = JSON.parse(readFileSync(join(import.meta.dirname, 'reports/rehearsal-short.json'), 'utf8')) as {
    readonly results: readonly { readonly package: string }[];
  };
  expect(report.results.length).toBeGreaterThanOrEqual(11);
}, 1_800_000);
