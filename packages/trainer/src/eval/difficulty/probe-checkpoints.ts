/** Difficulty per noise bucket, measured on the saved checkpoints of a run. */
import type { DifficultyRecord } from '@dm/eval';
import { weightsName } from '../../setup/averages.js';
import type { Checkpoint } from '../../checkpoint/content.js';
import { isDamage } from '../../checkpoint/damage.js';
import { readCheckpoint } from '../../checkpoint/checkpoint.js';
import { listCheckpoints } from '../../checkpoint/layout.js';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { UserError } from '../../errors.js';
import { openDenoiser } from '../../setup/open-denoiser.js';
import { runFolder } from '../../run/run-folder.js';
import { samplingConfig, type GenerateSamplesOptions } from '../../sampling/generate-samples.js';
import { readWeights } from '../../checkpoint/pack-state.js';
import { fileOf } from '../../setup/state-table.js';
import { measure } from './recorder.js';
import type { DifficultyLog } from './file.js';
import { openNoiseProbe, type NoiseProbeOptions } from './noise-probe.js';

export interface ProbeCheckpointsOptions
  extends NoiseProbeOptions, Pick<GenerateSamplesOptions, 'engine' | 'device' | 'threads' | 'onPhase'> {
  /** Default: raw, the weights without averaging. */
  readonly weights?: 'raw' | 'ema';
  /** Receives messages about skipped checkpoints. */
  readonly onNote?: (text: string) => void;
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

/**
 * Measures every valid checkpoint of a run.
 *
 * @throws {UserError} if there are fewer than two
 */
export async function probeCheckpoints(run: string, options: ProbeCheckpointsOptions = {}): Promise<DifficultyLog> {
  const { weights = 'raw', onNote, onPhase, onProgress } = options;
  const which = weightsName(weights);
  const read = (path: string, only: readonly string[]): Checkpoint[] => {
    try {
      return [readCheckpoint(path, only)];
    } catch (error) {
      if (!isDamage(error)) throw error;
      onNote?.(`skipped ${path}: ${error.message}`);
      return [];
    }
  };
  const checkpoints = listCheckpoints(runFolder(run).checkpoints)
    .filter(({ complete }) => complete)
    .flatMap(({ path }) => read(path, []));
  const [first] = checkpoints;
  if (first === undefined || checkpoints.length < 2) throw tooFew(run, checkpoints.length);
  const records: DifficultyRecord[] = [];
  const denoiser = openDenoiser(samplingConfig(first, options));
  const engine = await openEngine(denoiser.config.engine, { ...engineOptions(denoiser.config), onPhase });
  try {
    const probe = await openNoiseProbe(denoiser, engine, 'params', options);
    for (const { path } of checkpoints) {
      for (const checkpoint of read(path, [fileOf(which)])) {
        const state = await probe.load(readWeights(denoiser, checkpoint, which));
        records.push(await measure(probe, checkpoint.manifest.step, state));
        state.dispose();
      }
      onProgress?.('checkpoints', records.length, checkpoints.length);
    }
    if (records.length < 2) throw tooFew(run, records.length);
    return { setting: probe.setting, weights, records };
  } finally {
    await engine.dispose();
  }
}

function tooFew(run: string, count: number): UserError {
  return new UserError(
    `${run} keeps ${count} valid checkpoint${count === 1 ? '' : 's'}; at least 2 are needed. Train with a larger --keep-last, ` +
      'or measure during training with --probe-every.',
    { code: 'CHECKPOINT_NOT_FOUND' },
  );
}
