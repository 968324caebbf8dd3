/** `dm bench`: how long our own training step takes, and what in it. Rivals are timed by tools/bench. */
import { Command, Option } from 'commander';
import { bench, type BenchOptions, type BenchResult } from '../bench/bench.js';
import { resolveConfig } from '../resolve.js';
import { savedConfig } from '../resume.js';
import { runFolder } from '../run-folder.js';
import { numeric, print, printJson, withCommonOptions, type CommonFlags } from './common.js';
import { layersOf, withConfigOptions, type ConfigFlags, type FieldFlag } from './config-flags.js';

/** Fields that decide what a step computes. */
const fieldFlags: readonly FieldFlag[] = [
  'preset',
  'data',
  'image-size',
  'image-channels',
  'model',
  'batch-size',
  'seed',
  'engine',
  'threads',
];

type BenchFlags = CommonFlags &
  ConfigFlags & { readonly run?: string; readonly steps: number; readonly warmup: number };

export function benchCommand(): Command {
  const command = new Command('bench').description(
    'Time the training step of a configuration: median and quartiles, throughput, memory, compilation.',
  );
  withConfigOptions(command, fieldFlags)
    .addOption(new Option('--run <folder>', 'take the configuration of that run').conflicts('config'))
    .option('--steps <n>', 'steps to time', numeric, 20)
    .option('--warmup <n>', 'steps before them, besides the first, which compiles', numeric, 3);
  return withCommonOptions(command).action(run);
}

async function run(flags: BenchFlags): Promise<void> {
  const before = flags.run === undefined ? [] : [savedConfig(runFolder(flags.run))];
  const config = resolveConfig([...before, ...layersOf(flags, fieldFlags)]);
  const isTerminal = process.stderr.isTTY && flags.json !== true;
  const options: BenchOptions = {
    steps: flags.steps,
    warmup: flags.warmup,
    ...(isTerminal && {
      onStep: (done: number, of: number) => void process.stderr.write(`\rstep ${done}/${of}\x1B[K`),
    }),
  };
  const result = await bench(config, options);
  if (isTerminal) process.stderr.write('\r\x1B[K');
  if (flags.json === true) printJson({ event: 'bench', ...result });
  else printResult(result);
}

function printResult(result: BenchResult): void {
  const { stepMs, compileMs, javascript } = result;
  const ms = (value: number) => `${value.toPrecision(value < 1000 ? 3 : 4)} ms`;
  const info = Object.entries(result.info).map(([key, value]) => `${key} ${value}`);
  print(
    `${result.model}, ${result.parameters.toLocaleString('en')} parameters, ${result.batchSize} images of ` +
      `${result.shape.join('x')} a step, on ${result.engine} (${info.join(', ')})`,
  );
  print(
    `step        median ${ms(stepMs.median)}, quartiles ${ms(stepMs.q1)} to ${ms(stepMs.q3)}, ` +
      `extremes ${ms(stepMs.min)} to ${ms(stepMs.max)}, of ${result.steps}`,
  );
  print(`throughput  ${result.imagesPerSecond.toPrecision(3)} images/s`);
  if (javascript !== undefined) print(`JavaScript  ${(100 * javascript).toPrecision(2)} % of the step`);
  print(`memory      ${Math.round(result.peakMb)} MiB at the peak`);
  if (compileMs !== undefined) {
    const phases = Object.entries(compileMs);
    const total = phases.reduce((sum, [, value]) => sum + value, 0);
    print(`compiling   ${ms(total)}: ${phases.map(([name, value]) => `${name} ${ms(value)}`).join(', ')}`);
  }
  print(`first step  ${ms(result.firstStepMs)}, compilation included`);
}
