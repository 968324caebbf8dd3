/** Help texts: every value's default, two examples per command, lines of less than 80 columns. */
import { dmProgram } from '@dm/files';
import { Help, type Command, type Option } from 'commander';

/** Columns of help texts on a terminal that is at least as wide. */
const maxWidth = 79;

/** Arguments of two examples per command, by its name within `dm`. */
export const examples: Readonly<Record<string, readonly [string, string]>> = {
  '': ['train', 'train --help'],
  train: ['train --preset mnist-fast --out runs/digits', 'train --data folder:photos --image-size 32'],
  sample: ['sample --run runs/mnist --out digits.png', 'sample --run runs/mnist --per-class 10 --out digits/'],
  eval: ['eval runs/mnist mnist --count 5000', 'eval folder:made folder:photos --metrics fid,pr'],
  'eval statistics': [
    'eval statistics mnist --out mnist.npz',
    'eval statistics folder:photos --out photos.npz --features',
  ],
  'eval consistency': [
    'eval consistency runs/a runs/b --grid pairs.png',
    'eval consistency runs/a runs/b --levels 10 --count 256',
  ],
  'eval difficulty': [
    'eval difficulty runs/mnist --svg difficulty.svg',
    'eval difficulty runs/mnist --checkpoints --buckets 20',
  ],
  'eval landscape': ['eval landscape runs/a runs/b --out landscape', 'eval landscape runs/a --plane 21 --lanczos 0'],
  'eval bound': ['eval bound mnist', 'eval bound folder:photos --image-size 32'],
  'eval validation': [
    'eval validation runs/mnist --weights raw',
    'eval validation runs/photos --data folder:other --images 500',
  ],
  'eval loss': [
    'eval loss runs/mnist mnist --worst 50 --sheet worst.png',
    'eval loss runs/photos folder:photos --json',
  ],
  'eval train-extractor': [
    'eval train-extractor mnist --out digits.safetensors',
    'eval train-extractor mnist --epochs 5 --out x.safetensors',
  ],
  'eval throughput': ['eval throughput --count 200', 'eval throughput --extractor random --image-size 64'],
  ema: [
    'ema reconstruct --run a --relative-std 0.07 --out b',
    'ema reconstruct --run a --relative-std 0.1 --step 9 --out b',
  ],
  'ema reconstruct': [
    'ema reconstruct --run a --relative-std 0.07 --out b',
    'ema reconstruct --run a --relative-std 0.1 --step 9 --out b',
  ],
  export: ['export --run runs/mnist --out digits', 'export --run runs/mnist --format onnx --out digits.onnx'],
  import: ['import ddpm-cifar10-32 --out runs/ddpm', 'import pipeline --out runs/imported --json'],
  report: ['report runs/mnist', 'report runs/a runs/b --out compare.html'],
  data: ['data fetch cifar10', 'data inspect folder:photos --image-size 32'],
  'data fetch': ['data fetch cifar10', 'data fetch cifar10 --json'],
  'data prepare': [
    'data prepare folder:photos --image-size 32 --out x.shard',
    'data prepare photos.zip --skip-bad --out photos.shard',
  ],
  'data inspect': ['data inspect mnist --sheet sheet.png', 'data inspect folder:photos --image-size 32'],
  config: ['config schema', 'config schema > dm.schema.json'],
  'config schema': ['config schema', 'config schema > dm.schema.json'],
  curriculum: ['curriculum plot --schedule clts', 'curriculum table --schedule clts --out clts.npz'],
  'curriculum table': [
    'curriculum table --schedule clts --steps 9000 --out clts.npz',
    'curriculum table --schedule edm --out edm.json',
  ],
  'curriculum plot': ['curriculum plot --schedule clts', 'curriculum plot --run runs/mnist --out density.svg'],
  optim: ['optim table --lr 2e-4 --out mdlrc.npz', 'optim table --run runs/mnist --out mdlrc.json'],
  'optim table': [
    'optim table --lr 2e-4 --steps 50000 --out mdlrc.npz',
    'optim table --run runs/mnist --out mdlrc.json',
  ],
  bench: ['bench --preset mnist-dit --steps 50', 'bench --run runs/mnist --profile'],
  doctor: ['doctor', 'doctor --json'],
};

/** Sets up the help of a command and of its subcommands. */
export function withHelp(command: Command, program = dmProgram()): Command {
  const helpWidth = Math.min(process.stdout.columns ?? maxWidth, maxWidth);
  // An absolute path would not fit.
  const shown = program.length < 20 ? program : 'dm';
  command.configureHelp({ helpWidth, optionDescription: describeOption, subcommandTerm: (inner) => inner.name() });
  const [first, second] = examples[pathOf(command)] ?? [];
  if (first !== undefined) {
    command.addHelpText('after', `\nExamples:\n  ${shown} ${first}\n  ${shown} ${second}`);
  }
  for (const inner of command.commands) withHelp(inner, program);
  return command;
}

/** The names of a command below `dm`, such as `eval statistics`. */
export function pathOf(command: Command): string {
  return command.parent === null ? '' : `${pathOf(command.parent)} ${command.name()}`.trim();
}

/** Commander's description with choices and defaults; if an option has no default, the description says that. */
function describeOption(option: Option): string {
  const description = new Help().optionDescription(option);
  if (option.mandatory && option.defaultValue === undefined) return `${description} (required)`;
  const takesValue = option.required || option.optional;
  return takesValue && !/default/i.test(description) ? `${description} (default: none)` : description;
}
