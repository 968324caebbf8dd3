/** `dm bench`: times and profiles the training step. Other frameworks are timed by tools/bench. */
import { makeFolder } from '@dm/files';
import { join } from 'node:path';
import { dumpFiles, type Compilation } from '@dm/jit';
import { Command, Option } from 'commander';
import { bench, type BenchOptions, type BenchResult } from '../bench/bench.js';
import { notProfiledError, profileStep, type Cost, type StepProfile } from '../bench/profile.js';
import { messageOf, UserError } from '../errors.js';
import { atomicWriteFile } from '../files/atomic-write.js';
import { resolveConfig } from '../config/resolve.js';
import { savedConfig } from '../config/saved-config.js';
import { runFolder } from '../run/run-folder.js';
import { createProgressBar } from '../terminal/progress-bar.js';
import { print, printJson } from '../terminal/output.js';
import { type CommonFlags, integer, withCommonOptions } from './common.js';
import { layersOf, withConfigOptions, type ConfigFlags, type FieldFlag } from './config-flags.js';

/** Fields that change what a step computes. */
const fieldFlags: readonly FieldFlag[] = [
  'preset',
  'data',
  'image-size',
  'image-channels',
  'model',
  'batch-size',
  'activation-checkpointing',
  'seed',
  'engine',
  'device',
  'threads',
  'graph-capture',
  'tf32',
  'precision',
];

type BenchFlags = CommonFlags &
  ConfigFlags & {
    readonly run?: string;
    readonly steps: number;
    readonly warmup: number;
    readonly profile?: boolean;
    readonly dump?: string;
    readonly skipMemoryCheck?: boolean;
  };

export function benchCommand(): Command {
  const command = new Command('bench').description(
    'Time the training step of a configuration: median and quartiles, throughput, memory, compile time.',
  );
  withConfigOptions(command, fieldFlags)
    .addOption(new Option('--run <folder>', 'use the configuration of this run').conflicts('config'))
    .option('--steps <n>', 'steps to time', integer, 20)
    .option('--warmup <n>', 'untimed steps before them, after the first, which compiles', integer, 3)
    .option('--profile', 'break the time down by operator and by model block (engine onnx)')
    .option('--dump <folder>', 'write the compiled step to this folder, as .onnx and as text (engine onnx)')
    .option('--skip-memory-check', "also time a run that exceeds this machine's memory");
  return withCommonOptions(command).action(run);
}

async function run(flags: BenchFlags): Promise<void> {
  const before = flags.run === undefined ? [] : [savedConfig(runFolder(flags.run))];
  const config = resolveConfig([...before, ...layersOf(flags, fieldFlags)]);
  if (config.engine !== 'onnx') {
    if (flags.dump !== undefined) {
      throw new UserError(`--dump needs the engine onnx; ${config.engine} does not compile the step.`, {
        code: 'ENGINE_UNSUITABLE',
      });
    }
    if (flags.profile === true) throw notProfiledError(config.engine);
  }
  const dumped: string[] = [];
  const progress = createProgressBar(process.stderr);
  const options: BenchOptions = {
    steps: flags.steps,
    warmup: flags.warmup,
    skipMemoryCheck: flags.skipMemoryCheck === true,
    ...(flags.dump !== undefined && {
      onCompiled: (compilation: Compilation) => void dumped.push(...dump(compilation, flags.dump!)),
    }),
    onPhase: progress.onPhase,
    onStep: (done, of) => progress('timing', done, of, 'steps'),
  };
  const result = await bench(config, options).finally(() => progress.end());
  if (flags.json !== true) {
    printResult(result);
    for (const path of dumped) print(`dumped      ${path}`);
  }
  const profile =
    flags.profile === true
      ? await profileStep(config, Math.min(flags.steps, profiledSteps), {
          skipMemoryCheck: flags.skipMemoryCheck === true,
          onPhase: progress.onPhase,
        }).finally(() => progress.end())
      : undefined;
  if (flags.json === true) {
    printJson({
      event: 'bench',
      ...result,
      ...(dumped.length > 0 && { dumped }),
      ...(profile !== undefined && { profile }),
    });
  } else if (profile !== undefined) printProfile(profile);
}

/** Upper limit: a profile takes several megabytes per step. */
const profiledSteps = 5;

/**
 * Writes the files of a compilation to `folder` and returns their paths.
 *
 * @throws {UserError} if a file cannot be written
 */
function dump(compilation: Compilation, folder: string): string[] {
  try {
    makeFolder(folder);
    return Object.entries(dumpFiles(compilation)).map(([name, content]) => {
      const path = join(folder, name);
      atomicWriteFile(path, content);
      return path;
    });
  } catch (error) {
    throw new UserError(`Cannot write the compiled step to ${folder}: ${messageOf(error)}`, {
      code: 'WRITE_FAILED',
    });
  }
}

function printResult(result: BenchResult): void {
  const { stepMs, compileMs, javascript } = result;
  const ms = (value: number) => `${value.toPrecision(value < 1000 ? 3 : 4)} ms`;
  const info = Object.entries(result.info).map(([key, value]) => `${key} ${value}`);
  print(
    `${result.model}, ${result.parameters.toLocaleString('en')} parameters, ${result.batchSize} images of ` +
      `${result.shape.join('x')} per step, on ${result.engine} (${info.join(', ')})`,
  );
  print(
    `step        median ${ms(stepMs.median)}, quartiles ${ms(stepMs.q1)} to ${ms(stepMs.q3)}, ` +
      `range ${ms(stepMs.min)} to ${ms(stepMs.max)}, over ${result.steps} steps`,
  );
  print(`throughput  ${result.imagesPerSecond.toPrecision(3)} images/s`);
  if (javascript !== undefined) print(`JavaScript  ${(100 * javascript).toPrecision(2)}% of the step`);
  print(`memory      ${Math.round(result.peakMb)} MiB peak`);
  if (compileMs !== undefined) {
    const phases = Object.entries(compileMs);
    const total = phases.reduce((sum, [, value]) => sum + value, 0);
    print(`compiling   ${ms(total)}: ${phases.map(([name, value]) => `${name} ${ms(value)}`).join(', ')}`);
  }
  print(`first step  ${ms(result.firstStepMs)}, including compilation`);
}

function printProfile({ total, ops, blocks, bestGflops, stepMs, steps, valuesPeakMb, copiedBytes }: StepProfile): void {
  print([
    '',
    `profile     ${steps} steps of ${stepMs.toPrecision(4)} ms each under the profiler` +
      // The runtime reports memory of the CPU only.
      (valuesPeakMb > 0 ? `; intermediate values of a step: ${Math.round(valuesPeakMb)} MiB peak` : ''),
  ]);
  print(
    `            ${total.gflop.toPrecision(3)} GFLOP per step; ` +
      (bestGflops === null
        ? 'the times below are how long the CPU takes to submit the operators to the device'
        : `"of best" is relative to a 1024 x 1024 matrix product, which runs at ${bestGflops.toPrecision(3)} GFLOP/s here`),
  );
  print(`bus         ${copiedBytes.toLocaleString('en')} bytes per step copied to and from the device`);
  print(['', '      ms   share  of best   calls  operator']);
  for (const op of ops) print(`${columns(op)}  ${String(Math.round(op.calls)).padStart(6)}  ${op.op}`);
  print(['', '      ms   share  of best   forward  backward  block']);
  for (const { block, forwardMs, backwardMs, ...cost } of blocks) {
    const halves = [forwardMs, backwardMs].map((ms) => ms.toFixed(1).padStart(8)).join('  ');
    print(`${columns(cost)}  ${halves}  ${block === '' ? '(none)' : block}`);
  }
}

function columns({ ms, share, reached }: Cost): string {
  const percent = (part: number) => `${(100 * part).toFixed(1)}%`;
  return `${ms.toFixed(1).padStart(8)}  ${percent(share).padStart(6)}  ${(reached === null ? '' : percent(reached)).padStart(7)}`;
}
