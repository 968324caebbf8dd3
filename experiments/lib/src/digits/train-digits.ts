/** Training of networks that several experiments sample from: each is trained once. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { atomicWriteFileAsync, readJsonFile } from '@dm/files';
import { resolveConfig, train, type PartialConfig } from '@dm/trainer';

/** The folder of the runs, `<name>.seed-<seed>`. */
export const digitRuns = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'dm', 'digits');

export interface DigitTraining {
  readonly config: PartialConfig;
  readonly steps: number;
  readonly seed: number;
  /** Folder of the run. */
  readonly run: string;
}

/**
 * Trains a network, unless `run` is a finished run of the same configuration. Any other run in its place is replaced when
 * the training is finished: two processes may train the same network, and the last one to finish stays.
 */
export async function trainDigits(training: DigitTraining): Promise<void> {
  if (isTrained(training)) return;
  const { run } = training;
  const out = `${run}.${process.pid}`;
  try {
    await train({ ...configOf(training), out });
    await atomicWriteFileAsync(finishedFile(out), (file) => file.writeFile(JSON.stringify(resolved(training))));
    rmSync(run, { recursive: true, force: true });
    renameSync(out, run);
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** Whether `run` is a finished run of this configuration. */
export function isTrained(training: DigitTraining): boolean {
  const path = finishedFile(training.run);
  return existsSync(path) && isDeepStrictEqual(readJsonFile(path), JSON.parse(JSON.stringify(resolved(training))));
}

/** Written after the training: the configuration with all defaults, except its folder. */
const finishedFile = (run: string): string => join(run, 'finished.json');

function resolved(training: DigitTraining): object {
  const { out: _, ...config } = resolveConfig([{ source: 'the experiment', value: configOf(training) }]);
  return config;
}

const configOf = ({ config, steps, seed }: DigitTraining): PartialConfig => ({
  ...config,
  totalSteps: steps,
  seed,
  // The one grid at the end is not used: it is as small as it can be.
  sampleEvery: 0,
  samples: 1,
  logEvery: 100,
  checkpoints: { every: steps },
  tensorboard: false,
});
