import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint, pruneCheckpoints } from './checkpoint-folder.js';
import { readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { checkpointPath } from './layout.js';
import { formatManifest } from './manifest.js';
import type { ManifestFields } from './manifest-format.js';
import { sha256 } from '../files/hash.js';
import { UserError } from '../errors.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dm-checkpoint-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function fields(step: number): ManifestFields {
  const hash = sha256('x');
  return {
    step,
    configSha256: hash,
    dataSha256: hash,
    engine: { name: 'tfjs-cpu', info: { tfjs: '4.22.0' } },
    log: { loss: [0.1 + 0.2, 3] },
  };
}
const files = { 'model.safetensors': [Uint8Array.of(1, 2, 3)], 'ema.safetensors': [new Uint8Array(1000).fill(7)] };

describe('a checkpoint', () => {
  it('comes back as it was written, numbers to the last bit', () => {
    const path = writeCheckpoint(folder, fields(500), files);
    expect(path).toBe(join(folder, 'step-000500'));
    const { manifest, files: read } = readCheckpoint(path);
    expect(manifest.log).toEqual({ loss: [0.30000000000000004, 3] });
    expect(new Uint8Array(read.get('ema.safetensors')!)).toEqual(files['ema.safetensors'][0]);
    // SHA-256 of the bytes 1, 2, 3, by sha256sum.
    expect(manifest.files['model.safetensors']).toEqual({
      bytes: 3,
      sha256: '039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81',
    });
  });

  it('has the same bytes when it is written again: no clock time, no paths', () => {
    const first = readFileSync(join(writeCheckpoint(folder, fields(1), files), 'manifest.json'));
    const again = readFileSync(join(writeCheckpoint(join(folder, 'b'), fields(1), files), 'manifest.json'));
    expect(again.equals(first)).toBe(true);
  });

  it('is refused with a flipped byte, a cut file, a missing file, a damaged manifest', () => {
    const damage = (step: number, file: string, change: (path: string) => void) => {
      const path = writeCheckpoint(folder, fields(step), files);
      change(join(path, file));
      return () => readCheckpoint(path);
    };
    const flip = (path: string) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(path, bytes);
    };
    const invalid = (...contains: string[]) => ({ type: UserError, code: 'CHECKPOINT_INVALID', contains });
    expect(damage(1, 'ema.safetensors', flip)).toThrowWith(invalid('ema.safetensors is damaged', 'SHA-256'));
    expect(damage(2, 'ema.safetensors', (p) => writeFileSync(p, 'x'))).toThrowWith(
      invalid('ema.safetensors', '1 bytes', '1000'),
    );
    expect(damage(3, 'model.safetensors', (p) => rmSync(p))).toThrowWith(invalid('model.safetensors is missing'));
    expect(damage(4, 'manifest.json', (p) => rmSync(p))).toThrowWith({
      type: UserError,
      code: 'CHECKPOINT_NOT_FOUND',
      contains: 'manifest.json',
    });
    expect(damage(5, 'manifest.json', (p) => writeFileSync(p, '{'))).toThrowWith(invalid('manifest.json', 'not JSON'));
    expect(damage(6, 'manifest.json', (p) => writeFileSync(p, '{"format": 1}'))).toThrowWith(
      invalid('manifest.json is damaged'),
    );
    expect(damage(7, 'manifest.json', (p) => writeFileSync(p, '{"format": 99}'))).toThrow(/has format 99/);
  });

  it('is refused when its manifest names a file outside of it', () => {
    const path = writeCheckpoint(folder, fields(1), files);
    const { step, configSha256, dataSha256, engine, log, files: entries } = readCheckpoint(path).manifest;
    const named = { '../model.safetensors': entries['model.safetensors']! };
    const renamed = { step, configSha256, dataSha256, engine, log, files: named };
    writeFileSync(join(path, 'manifest.json'), formatManifest(renamed));
    expect(() => readCheckpoint(path)).toThrow(/names a file outside/);
  });

  it('leaves what was there when writing fails, and says what to do', () => {
    writeCheckpoint(folder, fields(1), files);
    // A file where the temporary folder should go cannot be got rid of by a writer that fails before.
    writeFileSync(join(folder, 'step-000002'), '');
    const failing = { ...files, 'no/such/folder': [Uint8Array.of(1)] };
    expect(() => writeCheckpoint(folder, fields(2), failing)).toThrow(/ENOENT/);
    expect(latestCheckpoint(folder).checkpoint!.manifest.step).toBe(1);
  });

  it.skipIf(process.getuid?.() === 0)('names the remedy in a folder that may not be written', () => {
    mkdirSync(join(folder, 'locked'));
    chmodSync(join(folder, 'locked'), 0o555);
    expect(() => writeCheckpoint(join(folder, 'locked'), fields(1), files)).toThrow(/choose another with --out/);
  });
});

describe('the latest valid checkpoint', () => {
  it('is the newest that holds; what was skipped is said with its reason', () => {
    for (const step of [100, 200, 300, 1_000_000]) writeCheckpoint(folder, fields(step), files);
    writeFileSync(join(checkpointPath(folder, 300), 'ema.safetensors'), 'x');
    rmSync(join(checkpointPath(folder, 1_000_000), 'manifest.json'));
    mkdirSync(join(folder, 'step-1000100.partial'));
    const { checkpoint, skipped } = latestCheckpoint(folder);
    expect(checkpoint!.manifest.step).toBe(200);
    expect(skipped.map((s) => s.reason)).toEqual([
      expect.stringContaining('incomplete'),
      expect.stringMatching(/no manifest\.json/),
      expect.stringMatching(/its manifest says 1000/),
    ]);
  });

  it('is none in a folder without any, or without a folder', () => {
    expect(latestCheckpoint(folder)).toEqual({ checkpoint: undefined, skipped: [] });
    expect(latestCheckpoint(join(folder, 'none'))).toEqual({ checkpoint: undefined, skipped: [] });
  });
});

describe('pruning', () => {
  it('keeps the newest by number and clears up after killed writers', () => {
    for (const step of [5, 999_999, 1_000_000]) writeCheckpoint(folder, fields(step), files);
    mkdirSync(join(folder, 'step-000007.partial'));
    mkdirSync(join(folder, 'mine'));
    pruneCheckpoints(folder, { keepLast: 2 });
    expect(readdirSync(folder).toSorted()).toEqual(['mine', 'step-1000000', 'step-999999']);
    expect(existsSync(join(folder, 'step-999999', 'manifest.json'))).toBe(true);
  });
});
