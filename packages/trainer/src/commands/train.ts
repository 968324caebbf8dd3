/** `dm train`. */
import { Command } from 'commander';
import { z } from 'zod';
import { configSchema } from '../config.js';
import { createProgress, duration } from '../progress.js';
import { presets } from '../presets.js';
import { assignment, configFile, nest, type Layer } from '../resolve.js';
import { trainLayers, type TrainHooks, type TrainResult } from '../train.js';
import { numeric, print, printJson, withCommonOptions, type CommonFlags } from './common.js';

/** Flags that set a field of the configuration; the schema has their meaning and checks their values. */
const fieldFlags: readonly (readonly [flag: string, argument: string, field: string])[] = [
  ['preset', 'name', 'preset'],
  ['data', 'data', 'data'],
  ['image-size', 'pixels', 'imageSize'],
  ['image-channels', '1|3', 'imageChannels'],
  ['model', 'type', 'model.type'],
  ['curriculum', 'name', 'curriculum.name'],
  ['weighting', 'name', 'weighting.name'],
  ['lr', 'number', 'optimizer.lr'],
  ['batch-size', 'n', 'batchSize'],
  ['steps', 'n', 'totalSteps'],
  ['time-budget', 'seconds', 'timeBudget'],
  ['seed', 'n', 'seed'],
  ['engine', 'name', 'engine'],
  ['threads', 'n', 'threads'],
  ['log-every', 'n', 'logEvery'],
  ['sample-every', 'n', 'sampleEvery'],
  ['samples', 'n', 'samples'],
  ['sampler', 'name', 'sampler.name'],
  ['sampler-steps', 'n', 'sampler.steps'],
  ['checkpoint-every', 'n', 'checkpointEvery'],
  ['keep', 'n', 'keep'],
  ['out', 'folder', 'out'],
];

type TrainFlags = CommonFlags & {
  readonly config?: string;
  readonly momentumDecay?: boolean;
  readonly set?: readonly string[];
  readonly resume?: boolean;
  readonly overwrite?: boolean;
} & Readonly<Record<string, unknown>>;

export function trainCommand(): Command {
  const command = new Command('train')
    .description(`Train a model. Presets: ${Object.keys(presets).join(', ')}. What is left out comes from the preset.`)
    .option('--config <file>', 'JSON file with any part of the configuration, such as the config.json of a run');
  for (const [flag, argument, field] of fieldFlags) {
    command.option(`--${flag} <${argument}>`, descriptionOf(field), numeric);
  }
  command
    .option('--no-momentum-decay', 'keep the momentum (and the learning rate) constant')
    .option('--set <field=value...>', 'set any field of the configuration, such as optimizer.clip=null')
    .option('--resume', 'go on with the run in the folder, from its newest valid checkpoint')
    .option('--overwrite', 'remove the run in the folder first');
  return withCommonOptions(command).action(run);
}

async function run(flags: TrainFlags): Promise<void> {
  const stop = new AbortController();
  const restore = stopOnSignals(stop);
  const progress = createProgress(process.stdout);
  const hooks: TrainHooks =
    flags.json === true
      ? {
          onStart: (started) => printJson({ event: 'start', ...started }),
          onLog: (record) => printJson({ event: 'step', ...record }),
          onSample: (sample) => printJson({ event: 'sample', ...sample }),
          onCheckpoint: (checkpoint) => printJson({ event: 'checkpoint', ...checkpoint }),
          onNote: (text) => printJson({ event: 'note', text }),
        }
      : {
          onStart: (started) =>
            progress.note(
              `${started.model}, ${started.parameters.toLocaleString('en')} parameters, on ${started.engine}; ` +
                `${started.images.toLocaleString('en')} images of ${started.shape.join('x')} from ${started.data}; ` +
                `steps ${started.step} to ${started.totalSteps} at batch ${started.batchSize}; into ${started.out}`,
            ),
          onLog: (record, totalSteps) => progress.step(record, totalSteps),
          onSample: ({ path }) => progress.note(`samples: ${path}`),
          onCheckpoint: ({ path }) => progress.note(`checkpoint: ${path}`),
          onNote: (text) => progress.note(text),
        };
  try {
    const result = await trainLayers(layersOf(flags), {
      resume: flags.resume === true,
      overwrite: flags.overwrite === true,
      signal: stop.signal,
      hooks,
    });
    progress.end();
    if (flags.json === true) printJson({ event: 'end', ...result });
    else printResult(result);
    if (result.status === 'stopped') process.exitCode = 130;
  } finally {
    progress.end();
    restore();
  }
}

/** The configuration's layers from the bottom up: the file, then the flags. */
function layersOf(flags: TrainFlags): Layer[] {
  const layers: Layer[] = flags.config === undefined ? [] : [configFile(flags.config)];
  for (const [flag, , field] of fieldFlags) {
    const value = flags[camelCase(flag)];
    if (value === undefined) continue;
    layers.push({ source: `--${flag}`, value: nest(field.split('.'), value) });
  }
  if (flags.momentumDecay === false) {
    layers.push({ source: '--no-momentum-decay', value: { optimizer: { momentumDecay: false } } });
  }
  return [...layers, ...(flags.set ?? []).map(assignment)];
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The schema's own words for a field, or for the part that it belongs to. */
function descriptionOf(field: string): string {
  let schema: z.core.$ZodType = configSchema;
  for (const key of field.split('.')) {
    if (schema instanceof z.ZodObject) schema = schema.shape[key]!;
  }
  const { description = '' } = schema as z.ZodType;
  return description.charAt(0).toLowerCase() + description.slice(1).replace(/\.$/, '');
}

/** The first signal asks the run to save and stop after the step that is going on; a second one ends at once. */
function stopOnSignals(stop: AbortController): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    if (stop.signal.aborted) process.exit(signal === 'SIGTERM' ? 143 : 130);
    process.stderr.write(`\n${signal}: saving a checkpoint after this step; once more to stop at once.\n`);
    stop.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
}

function printResult(result: TrainResult): void {
  const { status, step, totalSteps, seconds } = result;
  const how = {
    finished: `Trained ${totalSteps} steps in ${duration(seconds)}.`,
    stopped: `Stopped at step ${step} of ${totalSteps}; everything is saved.`,
    timeBudget: `The time budget is used up at step ${step} of ${totalSteps}; everything is saved.`,
  };
  print(how[status]);
  if (result.samples !== undefined) print(`samples:    ${result.samples}`);
  print(`report:     ${result.report}`);
  print(`checkpoint: ${result.checkpoint}`);
  const next =
    status === 'finished' ? `dm sample --run ${result.out} --out samples.png` : `dm train --resume --out ${result.out}`;
  print(`next:       ${next}`);
}
