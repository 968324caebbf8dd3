import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { runFolder } from '../run/run-folder.js';
import { resolveConfig } from './resolve.js';
import { savedConfig, trainingHash } from './saved-config.js';

function runWith(config: object) {
  const path = mkdtempSync(join(tmpdir(), 'dm-saved-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  const run = runFolder(path);
  writeFileSync(run.config, JSON.stringify(config));
  return run;
}

const resolved = (config: object, ...more: Parameters<typeof resolveConfig>[0] & object) =>
  resolveConfig([savedConfig(runWith(config)), ...more]);

it('runs from before evaluation.extractor.resize continue to resize as they did; new ones with their default', () => {
  const of = (extractor: object) => resolved({ evaluation: { extractor } }).evaluation.extractor;
  expect(of({ type: 'mobilenet', weights: null })).toMatchObject({ resize: 'libvips' });
  expect(of({ type: 'random', weights: null })).toMatchObject({ resize: 'libvips' });
  expect(of({ type: 'inception', weights: 'x' })).toMatchObject({ resize: null });
  expect(of({ type: 'mobilenet', weights: null, resize: null })).toMatchObject({ resize: null });
  expect(of({ type: 'pixels', weights: null })).toEqual({ type: 'pixels', weights: null });
  expect(resolveConfig().evaluation.extractor).toMatchObject({ resize: null });
  // A run that a newer version wrote is complete, whatever extractor it names.
  const written = resolveConfig([{ source: 'x', value: { evaluation: { extractor: 'random' } } }]);
  expect(resolved(written).evaluation.extractor).toEqual({ type: 'random', weights: null, resize: null });
});

it('the resize method of a run is no part of its training', () => {
  const layer = { source: 'x', value: { evaluation: { extractor: { resize: 'libvips' as const } } } };
  expect(trainingHash(resolveConfig([layer]))).toBe(trainingHash(resolveConfig()));
});
