/** Flags that set a field of the configuration; the schema has their meaning and checks their values. */
import type { Command } from 'commander';
import { z } from 'zod';
import { configSchema } from '../config/schema.js';
import { assignment, configFile, nest, type Layer } from '../config/resolve.js';
import { numeric } from './common.js';

const fieldFlags = {
  preset: ['name', 'preset'],
  data: ['data', 'data'],
  'image-size': ['pixels', 'imageSize'],
  'image-channels': ['1|3', 'imageChannels'],
  model: ['type', 'model.type'],
  curriculum: ['name', 'curriculum.name'],
  weighting: ['name', 'weighting.name'],
  optimizer: ['name', 'optimizer.name'],
  lr: ['number', 'optimizer.lr'],
  'lr-schedule': ['name', 'optimizer.schedule.name'],
  'label-dropout': ['share', 'labelDropout'],
  'batch-size': ['n', 'batchSize'],
  accumulate: ['n', 'accumulate'],
  recompute: ['none|blocks', 'recompute'],
  steps: ['n', 'totalSteps'],
  'time-budget': ['seconds', 'timeBudget'],
  'step-budget': ['n', 'stepBudget'],
  'image-budget': ['n', 'imageBudget'],
  seed: ['n', 'seed'],
  'init-from': ['folder', 'initFrom'],
  engine: ['name', 'engine'],
  device: ['name', 'device'],
  threads: ['n', 'threads'],
  'log-every': ['n', 'logEvery'],
  'sample-every': ['n', 'sampleEvery'],
  samples: ['n', 'samples'],
  sampler: ['name', 'sampler.name'],
  'sampler-steps': ['n', 'sampler.steps'],
  guidance: ['scale', 'sampler.guidance'],
  'eval-every': ['n', 'evalEvery'],
  'eval-samples': ['n', 'evalSamples'],
  'probe-every': ['n', 'probe.every'],
  'checkpoint-every': ['n', 'checkpointEvery'],
  'checkpoint-minutes': ['minutes', 'checkpointMinutes'],
  keep: ['n', 'keep'],
  out: ['folder', 'out'],
} as const satisfies Record<string, readonly [argument: string, field: string]>;

export type FieldFlag = keyof typeof fieldFlags;

export const allFieldFlags = Object.keys(fieldFlags) as FieldFlag[];

export interface ConfigFlags {
  readonly config?: string;
  readonly set?: readonly string[];
  readonly [flag: string]: unknown;
}

/** Adds `--config`, the flags named and `--set`. */
export function withConfigOptions(command: Command, flags: readonly FieldFlag[]): Command {
  command.option(
    '--config <file>',
    'JSON or YAML file with any part of the configuration, such as the config.json of a run',
  );
  for (const flag of flags) {
    const [argument, field] = fieldFlags[flag];
    command.option(`--${flag} <${argument}>`, descriptionOf(field), numeric);
  }
  return command.option('--set <field=value...>', 'set any field of the configuration, such as optimizer.clip=null');
}

/** The configuration's layers from the bottom up: the file, the flags, `more`, then what `--set` gives. */
export function layersOf(flags: ConfigFlags, known: readonly FieldFlag[], more: readonly Layer[] = []): Layer[] {
  const layers: Layer[] = flags.config === undefined ? [] : [configFile(flags.config)];
  for (const flag of known) {
    const value = flags[camelCase(flag)];
    if (value === undefined) continue;
    layers.push({ source: `--${flag}`, value: nest(fieldFlags[flag][1].split('.'), value) });
  }
  return [...layers, ...more, ...(flags.set ?? []).map(assignment)];
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
