/** The saved configuration of a run, and the hash that identifies it. */
import * as z from 'zod';
import { atomicWriteFile } from '../files/atomic-write.js';
import { checkValue } from '../files/check-value.js';
import { sha256 } from '../files/hash.js';
import type { RunFolder } from '../run/run-folder.js';
import { configFile, readConfigFile } from './config-file.js';
import type { Json } from './json.js';
import { isOfFormerShape } from './migration.js';
import { resolveConfig, type Layer } from './resolve.js';
import type { Config } from './schema.js';
import { textOf, trainingText, withFormerBehavior, withoutAddedFields } from './training-text.js';

/** `data` of a run that was imported: not known. */
export const unknownData = 'none';

/**
 * The configuration that the run was started with, migrated if an older version wrote it.
 *
 * @throws {UserError} if it is missing or damaged
 */
export function savedConfig(run: RunFolder): Layer {
  const { source, value } = configFile(run.config);
  // An imported run was not trained on the default data of new runs.
  return { source, value: { data: unknownData, ...withFormerBehavior(value) } };
}

/** Writes the config.json of a run. */
export function saveConfig(run: RunFolder, config: Config): void {
  atomicWriteFile(run.config, `${JSON.stringify(config, null, 2)}\n`);
}

/** SHA-256 of the part of the configuration that determines the weights; see `trainingText`. */
export function trainingHash(config: Config): string {
  return sha256(trainingText(config));
}

/** Whether a checkpoint of the run, with `configSha256` from its manifest, was trained with `config`. */
export function isTrainedUnder(config: Config, configSha256: string, run: RunFolder): boolean {
  const hash = trainingHash(config);
  if (configSha256 === hash) return true;
  const { formerConfigSha256, extensions = [] } = readHistory(run);
  const earlier = [formerConfigSha256, ...extensions.map((extension) => extension.configSha256)];
  return earlier.includes(configSha256) && trainingHash(resolveConfig([savedConfig(run)])) === hash;
}

/** Under which configurations, other than that in config.json, checkpoints of the run were written. */
export interface TrainingHistory {
  /** The hash in checkpoints by versions with the old configuration format, for a run that such a version trained. */
  readonly formerConfigSha256?: string;
  /** The extensions of the run after it had finished, oldest first. */
  readonly extensions?: readonly Extension[];
  /** How the run was evaluated, oldest first. */
  readonly evaluations?: readonly EvaluationPeriod[];
}

const extension = z.object({ totalSteps: z.int().min(1), configSha256: z.string() });

/** `totalSteps` of a run before it was extended, and the hash in its checkpoints up to that step. */
export type Extension = z.infer<typeof extension>;

const evaluationPeriod = z.object({ from: z.int().min(0), settingSha256: z.string() });

/** The step after which evaluations have a setting: their numbers may be compared only with each other. */
export type EvaluationPeriod = z.infer<typeof evaluationPeriod>;

const history = z.object({
  formerConfigSha256: z.string().exactOptional(),
  extensions: z.array(extension).exactOptional(),
  evaluations: z.array(evaluationPeriod).exactOptional(),
});

/** The history in `recorded` of the run's config.json. */
export function readHistory(run: RunFolder): TrainingHistory {
  const config = readConfigFile(run.config);
  if (isOfFormerShape(config)) return { formerConfigSha256: hashOfFormerShape(config) };
  return checkValue(history, config['recorded'] ?? {}, `${run.config}: recorded`);
}

/** The history of a run that is extended now. */
export function withExtension(before: TrainingHistory, now: Extension): TrainingHistory {
  return { ...before, extensions: [...(before.extensions ?? []), now] };
}

/**
 * The history of a run that is evaluated with a setting after `step`; a run that recorded none is taken to have had it from
 * the start.
 */
export function withEvaluations(before: TrainingHistory, step: number, settingSha256: string): TrainingHistory {
  // Later ones are from steps that are trained again.
  const earlier = (before.evaluations ?? []).filter(({ from }) => from <= step);
  if (earlier.at(-1)?.settingSha256 === settingSha256) return { ...before, evaluations: earlier };
  const from = earlier.length === 0 ? 0 : step;
  return { ...before, evaluations: [...earlier, { from, settingSha256 }] };
}

/** The hash as computed by the versions that wrote the old format. */
function hashOfFormerShape(config: Json): string {
  const part = Object.entries(config).filter(([key]) => !formerlyFreeOnResume.includes(key));
  return sha256(textOf(withoutAddedFields(Object.fromEntries(part), formerlyAddedFields)));
}

/** `freeOnResume` of the old format, and fields that did not affect training. */
const formerlyFreeOnResume: readonly string[] = [
  'preset',
  'recorded',
  'recompute',
  'accumulate',
  'data',
  'skipBad',
  'timeBudget',
  'stepBudget',
  'imageBudget',
  'skipLimit',
  'engine',
  'device',
  'threads',
  'logEvery',
  'tensorboard',
  'sampleEvery',
  'samples',
  'sampler',
  'evalEvery',
  'evalSamples',
  'evalMetrics',
  'evalExtractor',
  'evalWeights',
  'probe',
  'checkpointEvery',
  'checkpointMinutes',
  'checkpointOverlap',
  'keep',
  'out',
];

/** `addedFields` of the old format. */
const formerlyAddedFields: Readonly<Record<string, unknown>> = {
  crop: null,
  labelDropout: null,
  uncertainty: null,
  'optimizer.name': 'adamW',
  'optimizer.params': {},
  'optimizer.schedule': { name: 'constant' },
  'optimizer.decayGroups': ['matrix', 'vector', 'embedding'],
  'ema.type': 'power',
  emas: {},
};
