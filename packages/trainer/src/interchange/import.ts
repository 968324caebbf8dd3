/**
 * Imports a diffusers pipeline folder as a run, for sampling and as initial weights.
 *
 *   import { importPipeline, generateSamples } from '@dm/trainer';
 *   const { out } = await importPipeline({ folder: 'ddpm-cifar10-32', out: 'runs/ddpm' });
 *   const images = await generateSamples({ run: out, count: 16 });
 */
import { createFile } from '@dm/files';
import { formatSafetensors, loadWeights, parameterLayout, toTorch, type Model } from '@dm/models';
import { writeCheckpoint } from '../checkpoint/checkpoint.js';
import { checkpointPath } from '../checkpoint/layout.js';
import { sha256 } from '../files/hash.js';
import type { PartialConfig } from '../config/schema.js';
import { messageOf, UserError } from '../errors.js';
import { buildNewFolder, checkNotExisting } from '../files/write-new.js';
import { availableMemory } from '../machine/available-memory.js';
import { checkMemory, estimateSampling } from '../setup/memory.js';
import { modelTypes } from '../config/model-types.js';
import { resolveConfig } from '../config/resolve.js';
import { trainingHash } from '../config/saved-config.js';
import { createRunFolder, runFolder } from '../run/run-folder.js';
import { emaFile, modelFile } from '../setup/state-table.js';
import { readPipeline, type Pipeline } from './read-pipeline.js';

export interface ImportOptions {
  /** The pipeline folder, with model_index.json and the folders of model and scheduler. */
  readonly folder: string;
  /** Run folder to create. */
  readonly out: string;
  /** Receives messages about differences from diffusers: converted dtypes, ignored scheduler options. */
  readonly onNote?: (text: string) => void;
}

export interface ImportResult {
  readonly out: string;
  readonly checkpoint: string;
  /** Class name of the model. */
  readonly model: string;
  /** Number of trained parameters. */
  readonly parameters: number;
}

/**
 * Writes a run with 0 steps: config.json with model and noise schedule, and a checkpoint with the weights as both model
 * and EMA.
 *
 * @throws {UserError} if a field, class or weight is not supported or does not fit; one error lists all weights
 */
export async function importPipeline({ folder, out, onNote }: ImportOptions): Promise<ImportResult> {
  checkNotExisting(out);
  const pipeline = readPipeline(folder);
  const model = createModel(pipeline, folder);
  checkMemory(estimateSampling(model, 1), availableMemory(), `Check the configuration in ${folder}.`);
  const weights = toTorch(model, loadChecked(model, pipeline, folder));
  const file = formatSafetensors(weights);

  const config: PartialConfig = {
    model: { type: pipeline.type, ...(model.config as object) },
    diffusion: pipeline.diffusion,
    conditional: model.numClasses > 0,
    sampler: pipeline.sampler,
  };
  const resolved = resolveConfig([{ source: folder, value: config }]);
  await buildNewFolder(out, (temporary) => {
    const run = runFolder(temporary);
    createRunFolder(run);
    writeCheckpoint(
      run.checkpoints,
      {
        step: 0,
        configSha256: trainingHash(resolved),
        dataSha256: sha256(''), // none: the data are not in the pipeline
        engine: { name: 'none', info: {} },
        log: {},
      },
      { [modelFile]: [file], [emaFile]: [file] },
    );
    // Only what the pipeline says.
    const { classes } = pipeline;
    const recorded = classes === undefined ? {} : { recorded: { data: { name: folder, classes } } };
    createFile(run.config, `${JSON.stringify({ ...config, ...recorded }, null, 2)}\n`);
  });
  const checkpoint = checkpointPath(runFolder(out).checkpoints, 0);
  for (const note of pipeline.notes) onNote?.(note);
  return { out, checkpoint, model: model.kind, parameters: parameterLayout(model).size };
}

function createModel({ type, className, config }: Pipeline, folder: string): Model {
  const given = { _class_name: className, ...config };
  return explained(folder, () => modelTypes[type].create(given));
}

function loadChecked(model: Model, { weights }: Pipeline, folder: string): ReturnType<typeof loadWeights> {
  return explained(folder, () => loadWeights(model, weights));
}

function explained<T>(folder: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new UserError(`${folder}: ${messageOf(error)}`, { code: 'FILE_INVALID' });
  }
}
