/** `dm sample`. */
import { ddpmVariances, dpmSolverTypes, flowSpacings, samplers, spacings, uniPcTypes } from '@dm/core';
import { Command, InvalidArgumentError } from 'commander';
import { assignment, nest, type Layer } from '../config/resolve.js';
import { UserError } from '../errors.js';
import { checkImageOutput, writeImages } from '../files/images.js';
import { generateSamples, type GenerateSamplesOptions } from '../sampling/generate-samples.js';
import { formatDuration } from '../terminal/duration.js';
import { createProgressBar } from '../terminal/progress-bar.js';
import { print, printJson, printNote } from '../terminal/output.js';
import { type CommonFlags, integer, number, numbers, numeric, withCommonOptions, withEngineOptions } from './common.js';

interface SampleFlags extends CommonFlags, Omit<GenerateSamplesOptions, 'onNote' | 'onPhase' | 'onSamplingStep'> {
  readonly out: string;
  readonly set?: readonly string[];
}

/** Flags that set one option of the sampler, by its path. */
const samplerFlags = {
  eta: 'eta',
  variance: 'variance',
  order: 'order',
  noiseStd: 'noiseStd',
  solverType: 'solverType',
  churn: 'churn.amount',
  path: 'path.type',
  spacing: 'path.spacing',
  stepsOffset: 'path.stepsOffset',
  final: 'path.final',
} as const;

export function sampleCommand(): Command {
  const command = new Command('sample')
    .description('Generate images with a trained model.')
    .option('--run <folder>', 'run folder; uses its newest valid checkpoint (required, or --checkpoint)')
    .option('--checkpoint <folder>', 'checkpoint folder (required, or --run)')
    .option('--best', "use the run's checkpoint with the best metric instead of the newest")
    .option('--count <n>', 'number of images (default: 64, or as many as --noise has)', integer)
    .option('--noise <file.npy>', 'initial noise, float32 [N, H, W, C] (default: noise from --seed)')
    .option('--per-class <n>', 'images of each class, instead of --count', integer)
    .option(
      '--out <path>',
      '.png for a grid, .npz for bytes and labels, .npy for float32 [N, H, W, C] in [-1, 1], or a new folder for single ' +
        'images',
      'samples.png',
    )
    .option('--steps <n>', "number of sampling steps (default: the run's)", integer)
    .option('--sampler <name>', `${Object.keys(samplers).join(', ')} (default: the run's)`)
    .option(
      '--eta <0..1>',
      "fresh noise of ddim, of ancestral and of SDE samplers: 0 is deterministic, 1 as much as ddpm (default: the run's)",
      number,
    )
    .option('--noise-std <number>', "standard deviation of that noise, s_noise (default: the run's)", number)
    .option('--variance <name>', `variance of ddpm: ${ddpmVariances.join(', ')} (default: the run's)`)
    .option('--order <n>', "order of unipc, or of lms, up to 4 (default: the run's)", integer)
    .option(
      '--solver-type <name>',
      `${dpmSolverTypes.join(', ')} of dpmpp samplers; ${uniPcTypes.join(', ')} of unipc (default: the run's)`,
    )
    .option('--churn <amount>', "S_churn of heun, euler and dpm-2 (default: the run's)", number)
    .option('--path <name>', "noise levels: discrete, karras, exponential, beta, edm, flow (default: the run's)")
    .option(
      '--spacing <name>',
      `timesteps of the discrete path: ${spacings.join(', ')}; of flow: ${flowSpacings.join(', ')} (default: the run's)`,
    )
    .option('--steps-offset <n>', "added to each timestep of leading spacing (default: the run's)", integer)
    .option(
      '--final <level>',
      "level at which the last step ends: clean, or first (the noise of timestep 0) (default: the run's)",
    )
    .option('--clip <max>', "clip x_0 to [-max, max] at each step; none for no clipping (default: the run's)", numeric)
    .option(
      '--threshold <quantile>',
      "dynamic thresholding of x_0 at this quantile, 0 to 1 (default: the run's)",
      number,
    )
    .option('--set <sampler.field=value...>', 'set any option of the sampler, such as sampler.path.rho=5')
    .option(
      '--guidance <scale>',
      "classifier-free guidance, for a model trained with label dropout (default: the run's)",
      number,
    )
    .option(
      '--guidance-interval <low,high>',
      "apply guidance only while sigma / alpha is in this range (default: the run's)",
      interval,
    )
    .option('--weights <which>', 'ema (default), the name of an entry in extraEmas, or raw')
    .option(
      '--label <classes>',
      'classes to cycle through, by name or number, comma-separated, for a conditional model (default: all)',
    )
    .option('--seed <n>', 'random seed of the noise (default: 0)', integer)
    .option(
      '--decoder <file.onnx>',
      'decodes latents to images: input latent_sample [B, C, h, w], output sample [B, 3, H, W] in [-1, 1] (default: none, ' +
        'latents are written to .npz or .npy)',
    )
    .option(
      '--decoder-scale <number>',
      'factor by which the latents of the data were multiplied, which is undone before decoding, such as 0.18215 ' +
        '(default: 1)',
      number,
    );
  return withCommonOptions(withEngineOptions(command)).action(run);
}

async function run(flags: SampleFlags): Promise<void> {
  const { json, debug: _debug, out, set = [], ...given } = flags;
  checkImageOutput(out);
  const began = performance.now();
  const progress = createProgressBar(process.stderr);
  const result = await generateSamples({
    ...given,
    out,
    overrides: overridesOf({ ...flags }, set),
    onNote: (text) => printNote(text, { json }),
    onPhase: progress.onPhase,
    onSamplingStep: (done, of) => progress('sampling', done, of, 'steps'),
  }).finally(() => progress.end());
  await writeImages(out, result);
  const seconds = (performance.now() - began) / 1000;
  const [count] = result.shape;
  const { classes } = result;
  if (json === true) printJson({ event: 'end', out, count, classes, checkpoint: result.checkpoint, seconds });
  else {
    print(
      `${count} ${count === 1 ? 'image' : 'images'} from ${result.checkpoint} in ${formatDuration(seconds)}: ${out}`,
    );
    if (classes.length > 0)
      print(
        classes.map(({ label, name, images }) => `  ${label} ${name}: ${images} ${images === 1 ? 'image' : 'images'}`),
      );
  }
}

type FlagValues = Readonly<Record<string, unknown>>;

/** The sampler's flags and `--set` as layers, each with its flag as the source that errors name. */
function overridesOf(flags: FlagValues, set: readonly string[]): Layer[] {
  const layers = Object.entries(samplerFlags).flatMap(([flag, path]) =>
    flags[flag] === undefined ? [] : [samplerLayer(flag, nest(path.split('.'), flags[flag]))],
  );
  const { clip, threshold } = flags;
  if (clip !== undefined && threshold !== undefined) throw new UserError('Give --clip or --threshold, not both.');
  if (clip !== undefined) {
    layers.push(samplerLayer('clip', { clipping: clip === 'none' ? null : { type: 'range', max: clip } }));
  }
  if (threshold !== undefined) {
    layers.push(samplerLayer('threshold', { clipping: { type: 'threshold', quantile: threshold } }));
  }
  return [...layers, ...set.map(assignment)];
}

function samplerLayer(flag: string, sampler: object): Layer {
  return { source: `--${flag.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, value: { sampler } };
}

/** `0.2,3` */
function interval(text: string): [number, number] {
  const [low, high, ...more] = numbers(text);
  if (low === undefined || high === undefined || more.length > 0 || !(low >= 0 && high >= low)) {
    throw new InvalidArgumentError('Must be two numbers in ascending order, such as 0.2,3.');
  }
  return [low, high];
}
