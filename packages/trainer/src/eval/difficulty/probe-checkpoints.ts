/** Difficulty by noise bucket after the fact, from the checkpoints that a run kept. */
import type { DifficultyRecord } from '@dm/eval';
import { weightsName } from '../../setup/averages.js';
import { listCheckpoints, readCheckpoint } from '../../checkpoint/checkpoint.js';
import { engineOptions, openEngine } from '../../setup/engine.js';
import { UserError } from '../../errors.js';
import { createDenoiser } from '../../setup/denoiser.js';
import { runFolder } from '../../run/run-folder.js';
import { samplingConfig, type GenerateSamplesOptions } from '../../sampling/generate-samples.js';
import { readWeights } from '../../checkpoint/state.js';
import { fileOf } from '../../setup/state-table.js';
import { measure } from './recorder.js';
import type { DifficultyLog } from './file.js';
import { openNoiseProbe, type NoiseProbeOptions } from './noise-probe.js';

export interface ProbeCheckpointsOptions extends NoiseProbeOptions, Pick<GenerateSamplesOptions, 'engine' | 'threads'> {
  /** Default raw, the weights that are trained. */
  readonly weights?: 'raw' | 'ema';
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

/** Measures every complete checkpoint of a run. Throws a UserError where there are fewer than two. */
export async function probeCheckpoints(run: string, options: ProbeCheckpointsOptions = {}): Promise<DifficultyLog> {
  const { weights = 'raw', onProgress } = options;
  const paths = listCheckpoints(runFolder(run).checkpoints)
    .filter(({ complete }) => complete)
    .map(({ path }) => path);
  if (paths.length < 2) {
    throw new UserError(
      `${run} keeps ${paths.length} checkpoint; a course needs at least 2. Train with --keep-last, or measure while ` +
        'training: --probe-every.',
    );
  }
  const which = weightsName(weights);
  const records: DifficultyRecord[] = [];
  const denoiser = createDenoiser(samplingConfig(readCheckpoint(paths[0]!, []), options));
  const engine = await openEngine(denoiser.config.engine, engineOptions(denoiser.config));
  try {
    const probe = await openNoiseProbe(denoiser, engine, 'params', options);
    for (const path of paths) {
      const checkpoint = readCheckpoint(path, [fileOf(which)]);
      const state = await probe.load(readWeights(denoiser, checkpoint, which));
      records.push(await measure(probe, checkpoint.manifest.step, state));
      state.dispose();
      onProgress?.('checkpoints', records.length, paths.length);
    }
    return { setting: probe.setting, weights, records };
  } finally {
    await engine.dispose();
  }
}
