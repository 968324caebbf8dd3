/**
 * Post-hoc EMA: computes an average of any width from the stored snapshots of a run.
 *
 *   import { reconstructEma, generateSamples } from '@dm/trainer';
 *   await reconstructEma({ run: 'runs/digits', relativeStd: 0.07, out: 'runs/digits-0.07' });
 *   const images = await generateSamples({ run: 'runs/digits-0.07', count: 16 });
 */
import { createFile } from '@dm/files';
import { formatSafetensors } from '@dm/models';
import { type Arrays, float32 } from '@dm/ops';
import { postHocEmaCoefficients } from '@dm/optim';
import { extname } from 'node:path';
import { writeCheckpoint } from '../checkpoint/checkpoint.js';
import { listEmaSnapshots, readEmaSnapshot, type EmaSnapshot } from '../checkpoint/ema-snapshots.js';
import { isObject } from '../config/json.js';
import { resolveConfig } from '../config/resolve.js';
import { savedConfig, trainingHash } from '../config/saved-config.js';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import { sha256 } from '../files/hash.js';
import { buildNewFolder, checkNotExisting, writeNewFile } from '../files/write-new.js';
import { createRunFolder, runFolder } from '../run/run-folder.js';
import type { Denoiser } from '../setup/denoiser.js';
import { openDenoiser } from '../setup/open-denoiser.js';
import { emaFile, modelFile } from '../setup/state-table.js';
import { metadataOf, torchWeights } from './export.js';

export interface ReconstructEmaOptions {
  /** Run folder with snapshots, of a run with `emaSnapshots`. */
  readonly run: string;
  /** Width of the average relative to the length of training until `step`, in (0, 0.28]. */
  readonly relativeStd: number;
  /** Step of the average, one of those with snapshots. Default: the last one. */
  readonly step?: number;
  /** Run folder to create, or with the extension .safetensors a file with the weights alone. */
  readonly out: string;
}

export interface ReconstructEmaResult {
  readonly out: string;
  readonly step: number;
  readonly relativeStd: number;
  /** Number of snapshots that the average is a combination of. */
  readonly snapshots: number;
  /** See `postHocEmaCoefficients`: relative distance between the weights of the average over time and the wanted ones. */
  readonly profileError: number;
}

/**
 * Writes the average as a run with one checkpoint, which can be sampled, evaluated and exported, or as a file.
 *
 * @throws {UserError} if the run has no snapshots, or none of `step`, if one is damaged, or if `relativeStd` is out of
 *   range
 */
export async function reconstructEma({
  run,
  relativeStd,
  step,
  out,
}: ReconstructEmaOptions): Promise<ReconstructEmaResult> {
  checkNotExisting(out);
  if (!(relativeStd > 0 && relativeStd <= 0.28)) {
    throw new UserError(`--relative-std must be a number above 0 and at most 0.28, got ${relativeStd}.`);
  }
  const { snapshots, time } = chosenSnapshots(run, step);
  const config = resolveConfig([savedConfig(runFolder(run))]);
  const denoiser = openDenoiser(config);
  const { coefficients, profileError } = postHocEmaCoefficients(
    snapshots.map(({ step: at, relativeStd: width }) => ({ time: at, relativeStd: width })),
    { time, relativeStd },
  );
  const result = { out, step: time, relativeStd, snapshots: snapshots.length, profileError };
  const tensors = torchWeights(denoiser, combined(denoiser, snapshots, coefficients));
  if (extname(out).toLowerCase() === '.safetensors') {
    const metadata = metadataOf(denoiser, `average of relative std ${relativeStd} at step ${time}`);
    writeNewFile(out, formatSafetensors(tensors, { format: 'pt', ...metadata }));
  } else await writeRun(config, result, formatSafetensors(tensors));
  return result;
}

/** The snapshots until `step`, or until the last one. */
function chosenSnapshots(run: string, step: number | undefined): { snapshots: readonly EmaSnapshot[]; time: number } {
  const all = listEmaSnapshots(runFolder(run));
  const last = all.at(-1);
  if (last === undefined) {
    throw new UserError(
      `${run} has no EMA snapshots, from which averages are reconstructed. Store some during training: ` +
        '--set emaSnapshots.every=<steps>.',
      { code: 'CHECKPOINT_NOT_FOUND' },
    );
  }
  const time = step ?? last.step;
  const steps = [...new Set(all.map((snapshot) => snapshot.step))];
  if (!steps.includes(time)) {
    const near = steps.toSorted((a, b) => Math.abs(a - time) - Math.abs(b - time))[0];
    throw new UserError(`--step ${time}: ${run} has no EMA snapshots of this step; the nearest one is ${near}.`, {
      code: 'CHECKPOINT_NOT_FOUND',
    });
  }
  return { snapshots: all.filter((snapshot) => snapshot.step <= time), time };
}

/** The linear combination of snapshots, summed in float64; buffers do not change during training. */
function combined(denoiser: Denoiser, snapshots: readonly EmaSnapshot[], coefficients: Float64Array): Arrays {
  const sum = new Float64Array(denoiser.layout.size);
  let last: Arrays = {};
  for (const [i, snapshot] of snapshots.entries()) {
    last = readEmaSnapshot(denoiser, snapshot);
    const { data } = last['params']!;
    for (let k = 0; k < sum.length; k++) sum[k]! += coefficients[i]! * data[k]!;
  }
  return { ...last, params: float32(Float32Array.from(sum)) };
}

/** Writes a run, as `dm import` does: a configuration, and a checkpoint without optimizer state. */
async function writeRun(
  config: Config,
  { out, step, relativeStd, snapshots, profileError }: ReconstructEmaResult,
  weights: Uint8Array,
): Promise<void> {
  const { recorded = {}, ...trained } = config;
  const data = isObject(recorded['data']) ? recorded['data'] : {};
  const now: Config = {
    ...trained,
    ema: { type: 'karras', relativeStd },
    extraEmas: {},
    emaSnapshots: null,
    out,
    recorded: { ...recorded, reconstructed: { step, relativeStd, snapshots, profileError } },
  };
  await buildNewFolder(out, (temporary) => {
    const run = runFolder(temporary);
    createRunFolder(run);
    writeCheckpoint(
      run.checkpoints,
      {
        step,
        configSha256: trainingHash(now),
        dataSha256: typeof data['sha256'] === 'string' ? data['sha256'] : sha256(''),
        engine: { name: 'none', info: {} },
        log: {},
      },
      { [modelFile]: [weights], [emaFile]: [weights] },
    );
    createFile(run.config, `${JSON.stringify(now, null, 2)}\n`);
  });
}
