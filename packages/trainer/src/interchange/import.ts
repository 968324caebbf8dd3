/**
 * Imports a diffusers pipeline folder as a run, for sampling and as initial weights.
 *
 *   import { importPipeline, generateSamples } from '@dm/trainer';
 *   const { out } = await importPipeline({ folder: 'ddpm-cifar10-32', out: 'runs/ddpm' });
 *   const images = await generateSamples({ run: out, count: 16 });
 */
import { join } from 'node:path';
import { createFile, fileKind } from '@dm/files';
import {
  folderSource,
  formatSafetensors,
  loadWeights,
  parameterLayout,
  type Pipeline,
  readPipeline,
  toTorch,
} from '@dm/models';
import { writeCheckpoint } from '../checkpoint/checkpoint.js';
import { checkpointPath } from '../checkpoint/layout.js';
import { sha256 } from '../files/hash.js';
import type { PartialConfig } from '../config/schema.js';
import { codeOf, messageOf, UserError } from '../errors.js';
import { buildNewFolder, checkNotExisting } from '../files/write-new.js';
import { availableMemory } from '../machine/available-memory.js';
import { checkMemory, estimateSampling } from '../setup/memory.js';
import { createAnyModel } from '../config/all-models.js';
import type { ModelTypeName } from '../config/model-types.js';
import { resolveConfig } from '../config/resolve.js';
import { trainingHash } from '../config/saved-config.js';
import { createRunFolder, runFolder } from '../run/run-folder.js';
import { emaFile, modelFile } from '../setup/state-table.js';

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
  checkIsPipeline(folder);
  const pipeline = await explained('', async () => readPipeline(await folderSource(folder)));
  const type = modelTypeOf[pipeline.className];
  const model = await explained(`${folder}: `, () =>
    createAnyModel(Object.assign({ _class_name: pipeline.className, ...pipeline.config }, { type })),
  );
  checkMemory(estimateSampling(model, 1), availableMemory(), `Check the configuration in ${folder}.`);
  const { tensors, notes } = await explained('', () => pipeline.readWeights(model));
  const weights = toTorch(model, await explained(`${folder}: `, () => loadWeights(model, tensors)));
  const file = formatSafetensors(weights);

  const learned = pipeline.sampler.type === 'ddpm' && pipeline.sampler.variance === 'learnedRange';
  const variance = learned && model.outChannels === 2 * model.inputShape[2] ? { type: 'learnedRange' } : null;
  const { numClasses, condDim } = model;
  const hasNullClass = numClasses > 1 && condDim === numClasses && pipeline.nullClass === numClasses - 1;
  const config: PartialConfig = {
    model: { type, ...(model.config as object) },
    diffusion: { ...pipeline.diffusion, variance, loss: null } as NonNullable<PartialConfig['diffusion']>,
    conditional: numClasses > 0,
    // The usual share, which the pipeline does not have: it says that the last class is the null class.
    ...(hasNullClass && { labelDropout: 0.1 }),
    ...(pipeline.latents !== undefined && {
      latents: { mean: [...pipeline.latents.mean], scale: [...pipeline.latents.scale] },
    }),
    sampler: pipeline.sampler as NonNullable<PartialConfig['sampler']>,
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
  for (const note of [...pipeline.notes, ...notes]) onNote?.(note);
  return { out, checkpoint, model: model.kind, parameters: parameterLayout(model).size };
}

/** The type in a configuration of each model class. */
const modelTypeOf = {
  UNet2DModel: 'unet',
  DiTTransformer2DModel: 'dit-diffusers',
} as const satisfies Readonly<Record<Pipeline['className'], ModelTypeName>>;

const indexFile = 'model_index.json';

function checkIsPipeline(folder: string): void {
  if (fileKind(join(folder, indexFile)) !== undefined) return;
  const exists = fileKind(folder) !== undefined;
  const isComponent = fileKind(join(folder, '..', indexFile)) !== undefined;
  const above = isComponent ? ', but the folder above it does' : ', which save_pretrained of a pipeline writes';
  const what = exists ? `it has no ${indexFile}${above}` : 'it does not exist';
  throw new UserError(`${folder} is not a pipeline of diffusers: ${what}.`, {
    code: exists ? 'FILE_INVALID' : 'FILE_NOT_FOUND',
  });
}

/** Codes that an error of reading a pipeline keeps. */
const specific = ['PIPELINE_UNSUPPORTED', 'FILE_NOT_FOUND'] as const;

/** Converts what `read` throws to a `UserError`; `prefix` starts its message. */
async function explained<T>(prefix: string, read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const code = specific.find((known) => known === codeOf(error)) ?? 'FILE_INVALID';
    throw new UserError(`${prefix}${messageOf(error)}`, { code, cause: error });
  }
}
