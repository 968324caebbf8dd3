/** Flags that set a configuration field. The schema holds their descriptions and validates their values. */
import type { Command } from 'commander';
import * as z from 'zod';
import { configSchema } from '../config/schema.js';
import { configFile } from '../config/config-file.js';
import { describeConfig } from '../config/describe-config.js';
import { objectives } from '../config/objectives.js';
import { suggestion } from '../config/suggestion.js';
import { UserError } from '../errors.js';
import { withFormerBehavior } from '../config/training-text.js';
import { assignment, nest, type Layer } from '../config/resolve.js';
import { isObject } from '../config/json.js';
import { defaultPreset, presets } from '../config/presets.js';
import { fieldOf, typesOf, unwrapped } from '../config/schema-fields.js';
import { printWarning } from '../terminal/output.js';
import { numeric } from './common.js';

const fieldFlags = {
  preset: ['name', 'preset'],
  data: ['data', 'data'],
  'image-size': ['pixels', 'imageSize'],
  'image-channels': ['1|3', 'imageChannels'],
  'image-resize': ['method', 'imageResize'],
  'hold-out': ['fraction', 'holdOut'],
  model: ['type', 'model.type'],
  curriculum: ['type', 'curriculum.type'],
  'loss-weighting': ['type', 'lossWeighting.type'],
  optimizer: ['type', 'optimizer.type'],
  lr: ['number', 'optimizer.lr'],
  'lr-schedule': ['type', 'optimizer.lrSchedule.type'],
  'label-dropout': ['fraction', 'labelDropout'],
  'batch-size': ['n', 'batchSize'],
  'gradient-accumulation': ['n', 'gradientAccumulation'],
  'activation-checkpointing': [null, 'activationCheckpointing'],
  steps: ['n', 'totalSteps'],
  'time-budget': ['seconds', 'budgets.seconds'],
  'step-budget': ['n', 'budgets.steps'],
  'image-budget': ['n', 'budgets.images'],
  seed: ['n', 'seed'],
  'init-from': ['folder', 'initFrom'],
  engine: ['name', 'engine'],
  device: ['name', 'device'],
  threads: ['n', 'threads'],
  'graph-capture': [null, 'graphCapture'],
  tf32: [null, 'tf32'],
  precision: ['type', 'precision'],
  'log-every': ['n', 'logEvery'],
  'sample-every': ['n', 'sampleEvery'],
  samples: ['n', 'samples'],
  sampler: ['type', 'sampler.type'],
  'sampler-steps': ['n', 'sampler.steps'],
  guidance: ['scale', 'sampler.guidance'],
  'eval-every': ['n', 'evaluation.every'],
  'eval-samples': ['n', 'evaluation.samples'],
  'probe-every': ['n', 'probe.every'],
  'validate-every': ['n', 'validation.every'],
  'checkpoint-every': ['n', 'checkpoints.every'],
  'checkpoint-minutes': ['minutes', 'checkpoints.minutes'],
  'keep-last': ['n', 'checkpoints.keepLast'],
  out: ['folder', 'out'],
} as const satisfies FieldFlags;

/** Flags of commands that make tables of schedules. */
const tableFlags = {
  schedule: ['type', 'curriculum.type'],
  timesteps: ['n', 'diffusion.timesteps'],
  'noise-schedule': ['type', 'diffusion.schedule.type'],
} as const satisfies FieldFlags;

type FieldFlags = Record<string, readonly [argument: string | null, field: string]>;

const flagFields = { ...fieldFlags, ...tableFlags };

export type FieldFlag = keyof typeof flagFields;

/** The flags of `dm train`. */
export const allFieldFlags = Object.keys(fieldFlags) as FieldFlag[];

export interface ConfigFlags {
  readonly config?: string;
  readonly objective?: string;
  readonly set?: readonly string[];
  readonly [flag: string]: unknown;
}

/** Adds `--config`, the given flags and `--set`. */
export function withConfigOptions(command: Command, flags: readonly FieldFlag[]): Command {
  describeConfig();
  command.option(
    '--config <file>',
    'JSON or YAML file with any subset of the configuration, such as the config.json of a run, without its out',
  );
  for (const flag of flags) {
    const [argument, field] = flagFields[flag];
    if (argument === null) command.option(`--${flag}`, descriptionOf(field));
    else command.option(`--${flag} <${argument}>`, helpOf(field), numeric);
  }
  command.option(
    '--objective <name>',
    `what is predicted, with which loss and noise levels, and how it is sampled: ${Object.keys(objectives).join(', ')} ` +
      "(default: the preset's)",
  );
  return command.option('--set <field=value...>', 'set any configuration field, such as optimizer.maxGradNorm=null');
}

/** Whether the field accepts null, which its flag then takes as `--set` does. */
function isNullable(field: string): boolean {
  return (schemaOf(field).schema as z.ZodType).safeParse(null).success;
}

/** The configuration's layers, lowest precedence first: file, `--objective`, flags, `more`, `--set`. */
export function layersOf(flags: ConfigFlags, known: readonly FieldFlag[], more: readonly Layer[] = []): Layer[] {
  const layers: Layer[] = flags.config === undefined ? [] : [ofOtherRun(configFile(flags.config))];
  for (const { note } of layers) if (note !== undefined) printWarning(note);
  if (flags.objective !== undefined) layers.push(objectiveLayer(flags.objective));
  for (const flag of known) {
    const value = flags[camelCase(flag)];
    if (value === undefined) continue;
    const field = flagFields[flag][1];
    const isReset = value === 'null' && isNullable(field);
    layers.push({ source: `--${flag}`, value: nest(field.split('.'), isReset ? null : value) });
  }
  return [...layers, ...more, ...(flags.set ?? []).map(assignment)];
}

function objectiveLayer(name: string): Layer {
  if (!Object.hasOwn(objectives, name)) {
    throw new UserError(`--objective ${name} is unknown. ${suggestion(name, Object.keys(objectives))}`, {
      code: 'OPTION_UNKNOWN',
    });
  }
  return { source: `--objective ${name}`, value: objectives[name]! };
}

/**
 * The config.json of a run configures another run, in another folder: its `out` is dropped. Fields that are newer than
 * the run get its behavior.
 */
function ofOtherRun(layer: Layer): Layer {
  const { out: _, recorded, ...value } = layer.value;
  return recorded === undefined ? layer : { ...layer, value: withFormerBehavior(value) };
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The description of a field, its allowed values, and its value in the default preset. */
function helpOf(field: string): string {
  const description = descriptionOf(field);
  const values = field === 'preset' ? Object.keys(presets).join(', ') : allowedValues(field);
  const isListed = values === undefined || values.split(', ').every((value) => description.includes(value));
  const hasDefault = /default/i.test(description);
  return description + (isListed ? '' : `: ${values}`) + (hasDefault ? '' : ` (default: ${defaultOf(field)})`);
}

/** `a, b` for a choice, `1 to 10` or `at least 1` for a number; undefined for other fields. */
function allowedValues(field: string): string | undefined {
  const { parent, schema } = schemaOf(field);
  const types = field.endsWith('.type') ? typesOf(parent) : [];
  if (types.length > 0) return types.join(', ');
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodEnum) return inner.options.join(', ');
  if (!(inner instanceof z.ZodNumber)) return undefined;
  const { minimum, exclusiveMinimum, maximum, exclusiveMaximum } = z.toJSONSchema(inner);
  const low = minimum ?? exclusiveMinimum;
  const high = maximum ?? exclusiveMaximum;
  if (low === undefined) return undefined;
  if (typeof high === 'number' && high < Number.MAX_SAFE_INTEGER) {
    return `${low} to ${exclusiveMaximum === undefined ? '' : 'below '}${high}`;
  }
  return `${minimum === undefined ? 'more than' : 'at least'} ${low}`;
}

/** The default as text: the value in the default preset. */
function defaultOf(field: string): string {
  if (field === 'preset') return defaultPreset;
  if (field === 'out') return 'runs/<preset>, or the next free runs/<preset>-2, ...';
  const value = field
    .split('.')
    .reduce<unknown>((part, key) => (isObject(part) ? part[key] : undefined), presets[defaultPreset]);
  return value === null || value === undefined ? 'none' : typeof value === 'string' ? value : JSON.stringify(value);
}

/** The schema of a field, and of the object that has it. */
function schemaOf(field: string): { readonly parent: unknown; readonly schema: unknown } {
  const path = field.split('.');
  const at = (keys: readonly string[]) => keys.reduce<unknown>((schema, key) => fieldOf(schema, key), configSchema);
  return { parent: at(path.slice(0, -1)), schema: at(path) };
}

/** The schema's description of a field. A `type` field without a description inherits its parent's. */
function descriptionOf(field: string): string {
  const path = field.split('.');
  const schemas = path.map((_, i) =>
    path.slice(0, i + 1).reduce<unknown>((schema, key) => fieldOf(schema, key), configSchema),
  );
  const { description = '' } = schemas.findLast(
    (schema) => (schema as z.ZodType).description !== undefined,
  ) as z.ZodType;
  return description.charAt(0).toLowerCase() + description.slice(1).replace(/\.$/, '');
}
