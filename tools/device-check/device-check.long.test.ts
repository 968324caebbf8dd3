/**
 * Builds the kit and runs it as on another machine: unpacked into an empty folder, without Node on PATH, on a software
 * GPU, with the smallest models. PyTorch runs on the CPU if DM_PYTHON has it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { skipLoudly } from '@dm/jit/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const { env } = process;
const folder = mkdtempSync(join(tmpdir(), 'dm-device-check-test-'));
const bin = join(folder, 'bin');
const out = join(folder, 'results.json');
const archive = join(import.meta.dirname, 'dist/device-check.tar.xz');
afterAll(() => rmSync(folder, { recursive: true }));

/** What run.sh calls. */
const programs = ['sh', 'dirname', 'mkdir', 'ln', 'ldconfig', 'sed'];
const find = (program: string) =>
  execFileSync('sh', ['-c', `PATH=$PATH:/sbin:/usr/sbin command -v ${program}`], { encoding: 'utf8' }).trim();
/** Runs the unpacked kit with nothing else on PATH. */
const run = (...args: string[]) =>
  spawnSync(join(folder, 'device-check/run.sh'), ['--size', 'tiny', '--out', out, ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: {
      PATH: bin,
      HOME: folder,
      TMPDIR: folder,
      ...Object.fromEntries(
        ['DM_PYTHON', 'VK_DRIVER_FILES', 'VK_ICD_FILENAMES'].flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
      ),
    },
  });
const results = () => JSON.parse(readFileSync(out, 'utf8')) as Results;

interface Results {
  readonly finished: boolean;
  readonly parts: readonly { readonly part: string; readonly failed?: string }[];
  readonly correctness: readonly Readonly<Record<string, unknown>>[];
  readonly timing: readonly {
    readonly case: string;
    readonly contenders: readonly Readonly<Record<string, unknown>>[];
    readonly relativeThroughput: Readonly<Record<string, number>>;
    readonly failed: Readonly<Record<string, string>>;
  }[];
  readonly waiting: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly profiles: Readonly<
    Record<string, { readonly gpuMs: number; readonly ops: readonly { readonly op: string }[] }>
  >;
}

const hasSoftwareGpu = env['VK_DRIVER_FILES'] !== undefined;

beforeAll(() => {
  if (!hasSoftwareGpu) return;
  execFileSync(process.execPath, [join(import.meta.dirname, 'build-kit.mjs')], { stdio: 'inherit' });
  execFileSync('tar', ['-xJf', archive, '-C', folder]);
  mkdirSync(bin);
  for (const program of programs) symlinkSync(find(program), join(bin, program));
}, 900_000);

it(
  'a run on a software GPU finds all models correct, and times our two layouts',
  { timeout: 1_800_000 },
  ({ skip }) => {
    if (!hasSoftwareGpu) skipLoudly(skip, 'no software GPU: install chromium and libvulkan1');
    const torch = env['DM_PYTHON'] !== undefined && existsSync(join(folder, 'device-check/python/diffusers'));
    expect(run('--parts', 'speed').stderr).toContain('timing');
    expect(run('--cases', 'unet,resnet').stderr).toContain('resnet');
    const { status, stdout, stderr } = run('--rounds', '1', '--steps', '1', '--minutes', '25', '--torch-device', 'cpu');
    expect(status, stdout + stderr).toBe(0);
    const { finished, correctness, timing, waiting, profiles } = results();
    expect(finished).toBe(true);
    expect(statSync(archive).size).toBeLessThan(48 * 2 ** 20);
    expect(correctness.map(({ case: name, correct }) => [name, correct])).toEqual(
      ['unet', 'unet-conditional', 'dit', 'dit-transformer2d', 'uvit'].map((name) => [name, true]),
    );
    for (const { copiedBytes, stateBytes } of correctness) expect(copiedBytes).toBeLessThan(stateBytes as number);
    for (const { case: name, contenders, relativeThroughput, failed } of timing) {
      const names = contenders.map(({ contender }) => contender as string);
      expect(names.slice(0, 2), name).toEqual(['dm-webgpu-NHWC', 'dm-webgpu-NCHW']);
      for (const { contender, checkDifference } of contenders) {
        expect(checkDifference, `${name}, ${contender as string}`).toBeLessThan(
          isHalf(contender as string) ? 2e-2 : 1e-3,
        );
      }
      // A software GPU has float16 or lacks it by name, and a CPU has no CUDA graphs.
      const reasons = Object.entries(failed).filter(([contender]) => !contender.startsWith('pytorch') || torch);
      for (const [contender, reason] of reasons) {
        expect(contender).toMatch(/-f16$|^pytorch-cuda-graph/);
        expect(reason, contender).toMatch(/shader-f16|CUDA graphs/);
      }
      const half = [...names, ...Object.keys(failed)].filter((contender) => isHalf(contender)).toSorted();
      const isTraining = name === 'unet-tiny';
      expect(half, name).toEqual([
        ...(isTraining ? ['dm-webgpu-NCHW-f16', 'dm-webgpu-NHWC-f16'] : []),
        ...(isTraining && torch
          ? ['pytorch-autocast-bf16', 'pytorch-autocast-f16', 'pytorch-cuda-graph-autocast-bf16']
          : []),
      ]);
      const timed = Object.keys(relativeThroughput);
      expect(timed, JSON.stringify(failed)).toHaveLength(torch ? 4 : 0);
      if (!torch) printSkip(failed['pytorch-eager']);
    }
    expect(profiles['unet-tiny'].gpuMs).toBeGreaterThan(0);
    expect(profiles['unet-tiny'].ops.map(({ op }) => op)).toContain('Conv');
    for (const kind of ['idle', 'webgpu']) expect(waiting[kind]['waited']).toBeLessThanOrEqual(1);
  },
);

it('without a device or time left, the results have the reasons', { timeout: 600_000 }, ({ skip }) => {
  if (!hasSoftwareGpu) skipLoudly(skip, 'no software GPU: install chromium and libvulkan1');
  expect(run('--device', 'cuda', '--rounds', '1', '--steps', '1', '--minutes', '5').status).toBe(1);
  const withoutDevice = results();
  expect(withoutDevice.finished).toBe(true);
  expect(withoutDevice.correctness[0]).toMatchObject({ correct: false, failed: expect.stringContaining('cuda') });

  expect(run('--rounds', '1', '--steps', '1', '--minutes', '0.001').status).toBe(1);
  const withoutTime = results();
  expect(withoutTime.finished).toBe(true);
  expect(withoutTime.parts.at(-1)?.failed).toContain('0.001 minutes');
});

/** Whether a contender rounds products to half precision. */
const isHalf = (contender: string) => /-b?f16$/.test(contender);

/** Prints that PyTorch was not timed, with the reason in the results. */
function printSkip(reason: string | undefined): void {
  // oxlint-disable-next-line no-console
  console.warn(`SKIPPED: PyTorch: ${reason}`);
}
