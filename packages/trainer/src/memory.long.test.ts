// Memory does not grow with the number of steps, while samples are drawn and evaluated between them.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { dmUnder } from './testing/command.js';
import { tinyConfig, tinyFolder } from './testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const steps = 2000;
const warmup = 1000;

/** Maximum growth between step `warmup` and the last, in bytes; 50 kB per step would be 50 MB. */
const limits = {
  /** Objects and buffers of JavaScript that are in use after garbage collection. */
  live: 4e6,
  /** Memory of the process, which includes the engine's. */
  resident: 25e6,
};

interface Memory {
  readonly step: number;
  readonly live: number;
  readonly resident: number;
}

/**
 * Trains with the built command; returns the memory after garbage collection at each log line. `leakPerStep` bytes are
 * kept per step.
 */
async function train(leakPerStep = 0): Promise<Memory[]> {
  const config = {
    ...tinyConfig(folder, steps),
    engine: 'onnx' as const,
    logEvery: 100,
    sampleEvery: 100,
    evaluation: { every: 100, samples: 8, metrics: ['fid'], extractor: { type: 'pixels', weights: null } },
    probe: { every: 100, buckets: 2, images: 2 },
    checkpoints: { every: 100, keepLast: 2 },
  };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const probe = join(folder, 'probe.mjs');
  writeFileSync(
    probe,
    `import { appendFileSync } from 'node:fs';
     import { isMainThread } from 'node:worker_threads';
     const kept = [];
     const write = process.stdout.write.bind(process.stdout);
     if (isMainThread) process.stdout.write = (text, ...more) => {
       const [, step] = /^\\{"event":"step","step":(\\d+)/.exec(text) ?? [];
       if (step !== undefined) {
         if (${leakPerStep} > 0) kept.push(new Uint8Array(100 * ${leakPerStep}).fill(1));
         gc();
         const { heapUsed, external, rss } = process.memoryUsage();
         appendFileSync('memory.jsonl', JSON.stringify({ step: Number(step), live: heapUsed + external, resident: rss }) + '\\n');
       }
       return write(text, ...more);
     };`,
  );
  const node = ['--expose-gc', '--import', pathToFileURL(probe).href];
  const ended = await dmUnder({ node }, ['train', '--json', '--config', 'config.json', '--out', 'run'], folder);
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const lines = readFileSync(join(folder, 'memory.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Memory);
}

function growth(memory: readonly Memory[]): Omit<Memory, 'step'> {
  const at = (step: number) => memory.find((line) => line.step === step)!;
  const [before, after] = [at(warmup), at(steps)];
  return { live: after.live - before.live, resident: after.resident - before.resident };
}

it(`memory does not grow from step ${warmup} to ${steps}`, { timeout: 3_600_000 }, async () => {
  const { live, resident } = growth(await train());
  console.log(`growth of ${(live / 1e6).toFixed(1)} MB in use, ${(resident / 1e6).toFixed(1)} MB resident`);
  expect(live).toBeLessThan(limits.live);
  expect(resident).toBeLessThan(limits.resident);
});

it('a leak of 50 kB per step exceeds both limits', { timeout: 3_600_000 }, async () => {
  const { live, resident } = growth(await train(50_000));
  expect(live).toBeGreaterThan(limits.live);
  expect(resident).toBeGreaterThan(limits.resident);
});
