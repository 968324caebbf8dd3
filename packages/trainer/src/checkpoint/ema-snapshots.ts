/**
 * Snapshots of power-function averages (`emaSnapshots`), from which `dm ema reconstruct` computes averages of other widths:
 *
 *   ema-snapshots/step-000500-0.05.safetensors    the average of relative standard deviation 0.05 after 500 steps
 *
 * The averages themselves are part of the training state, so a resumed run stores the same bytes again. Snapshots are not
 * part of checkpoints and are never pruned.
 */
import { fileKind, listFolder, makeFolder, readRegularFile } from '@dm/files';
import { formatSafetensors, parseSafetensors, toTorch } from '@dm/models';
import { type Arrays, viewFlat } from '@dm/ops';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';
import { atomicWriteFile, writeError } from '../files/atomic-write.js';
import type { RunFolder } from '../run/run-folder.js';
import { snapshotName, snapshotWidths } from '../setup/averages.js';
import type { Denoiser } from '../setup/denoiser.js';
import type { TrainingSetup } from '../setup/training-setup.js';
import { weightsState } from './pack-state.js';

/** A stored snapshot. */
export interface EmaSnapshot {
  readonly path: string;
  /** Optimizer steps done. */
  readonly step: number;
  readonly relativeStd: number;
}

/** The entries of the training state that snapshots contain. */
export function emaSnapshotEntries({ config, bufferLayout }: Pick<TrainingSetup, 'config' | 'bufferLayout'>): string[] {
  return [...snapshotWidths(config).map(snapshotName), ...(bufferLayout.size > 0 ? ['buffers'] : [])];
}

/**
 * Writes the snapshots of step `step`; `state` has the entries of `emaSnapshotEntries`.
 *
 * @throws {UserError} if one cannot be written
 */
export function writeEmaSnapshots(
  run: RunFolder,
  { config, model, layout, bufferLayout }: Pick<TrainingSetup, 'config' | 'model' | 'layout' | 'bufferLayout'>,
  step: number,
  state: Arrays,
): void {
  const { dtype: floats = 'float32' } = config.emaSnapshots!;
  const vectorOf = (name: string) => state[name]!.data as Float32Array;
  const buffers = bufferLayout.size > 0 ? viewFlat(vectorOf('buffers'), bufferLayout) : {};
  try {
    makeFolder(run.emaSnapshots);
  } catch (error) {
    throw writeError(run.emaSnapshots, error);
  }
  for (const relativeStd of snapshotWidths(config)) {
    const tensors = toTorch(model, { ...viewFlat(vectorOf(snapshotName(relativeStd)), layout), ...buffers });
    const metadata = { step: String(step), relativeStd: String(relativeStd) };
    const name = `step-${String(step).padStart(6, '0')}-${relativeStd}.safetensors`;
    atomicWriteFile(join(run.emaSnapshots, name), formatSafetensors(tensors, metadata, { floats }));
  }
}

/** The stored snapshots of a run, by step and width. */
export function listEmaSnapshots(run: RunFolder): EmaSnapshot[] {
  if (fileKind(run.emaSnapshots) !== 'folder') return [];
  return listFolder(run.emaSnapshots)
    .flatMap(({ name }) => {
      const [, step, relativeStd] = /^step-(\d+)-(0\.\d+)\.safetensors$/.exec(name) ?? [];
      if (step === undefined) return [];
      return [{ path: join(run.emaSnapshots, name), step: Number(step), relativeStd: Number(relativeStd) }];
    })
    .toSorted((a, b) => a.step - b.step || a.relativeStd - b.relativeStd);
}

/**
 * The weights of a snapshot as state entries `params` and `buffers`.
 *
 * @throws {UserError} `CHECKPOINT_INVALID` if it is damaged or does not fit the model
 */
export function readEmaSnapshot(denoiser: Denoiser, { path }: EmaSnapshot): Arrays {
  try {
    const { tensors } = parseSafetensors(readRegularFile(path, { maxBytes: Infinity, followLinks: false }));
    return weightsState(denoiser, tensors);
  } catch (error) {
    throw new UserError(`${path}: ${messageOf(error)}`, { code: 'CHECKPOINT_INVALID', cause: error });
  }
}

/** Total size of the snapshots that a run stores after step `step`, in bytes. */
export function emaSnapshotBytes({ config, layout }: Pick<TrainingSetup, 'config' | 'layout'>, step: number): number {
  if (config.emaSnapshots === null) return 0;
  const { every, dtype } = config.emaSnapshots;
  const times = Math.ceil(config.totalSteps / every) - Math.floor(step / every);
  return times * snapshotWidths(config).length * layout.size * (dtype === 'float16' ? 2 : 4);
}
