/** Writes difficulty.jsonl while a run trains. */
import { isDeepStrictEqual } from 'node:util';
import type { Engine, StateHandle } from '@dm/ops';
import type { TrainingSetup } from '../../setup/training-setup.js';
import { LogFile } from '../../files/log-file.js';
import type { RunFolder } from '../../run/run-folder.js';
import { Unwritten } from '../../files/unwritten.js';
import { difficultyLine, readDifficulty, writeDifficulty } from './file.js';
import { openNoiseProbe, type NoiseProbe, type ProbeSetting } from './noise-probe.js';
import type { DifficultyRecord } from '@dm/eval';

export interface DifficultyHooks {
  /** After each line of the file. */
  readonly onRecord?: (record: DifficultyRecord, setting: ProbeSetting) => void;
  /** Gets what the disk refuses. */
  readonly unwritten?: Unwritten;
  /** What a person should know. */
  readonly onNote?: ((text: string) => void) | undefined;
}

export interface DifficultyRecorder {
  /** Goes on with what the file has up to `step`; at step 0 measures the initial weights. */
  begin(step: number, state: StateHandle): Promise<void>;
  /** Measures the weights in `state`, those that are trained and not their average, and appends a line. */
  record(step: number, state: StateHandle): Promise<void>;
  /** Tries once more what the disk has refused. */
  finish(): void;
  dispose(): Promise<void>;
}

/**
 * A recorder with the configuration's `probe`, on the training's own engine. Costs as many images forwards and backwards
 * as the buckets have in all, each time. Notes where a resumed run measures otherwise than it began: the file is begun
 * anew then, since its lines could not be compared.
 */
export async function openDifficultyRecorder(
  run: RunFolder,
  setup: TrainingSetup,
  engine: Engine,
  { onRecord, onNote, unwritten = new Unwritten(onNote) }: DifficultyHooks = {},
): Promise<DifficultyRecorder> {
  const { buckets, images } = setup.config.probe;
  const probe = await openNoiseProbe(setup, engine, 'params', { buckets, images });
  const { setting } = probe;
  const file = new LogFile(run.difficulty, 'difficulty.jsonl', unwritten);
  const record = async (step: number, state: StateHandle) => {
    const line = await measure(probe, step, state);
    file.append(`step ${step}`, difficultyLine(line));
    onRecord?.(line, setting);
  };
  return {
    async begin(step, state) {
      const written = step === 0 ? undefined : readDifficulty(run.difficulty);
      const isSame = written !== undefined && isDeepStrictEqual(written.setting, setting);
      if (step > 0 && !isSame) {
        onNote?.(
          `${run.difficulty} ${written === undefined ? 'is not there' : 'was begun with other buckets or images'}: ` +
            `begun anew at step ${step}`,
        );
      }
      const records = isSame ? written.records.filter((line) => line.step <= step) : [];
      writeDifficulty(run.difficulty, { setting, weights: 'raw', records });
      if (step === 0) await record(step, state);
    },
    record,
    finish: () => file.finish(),
    dispose: () => probe.dispose(),
  };
}

/** Loss and gradient norm of every bucket. */
export async function measure(probe: NoiseProbe, step: number, state: StateHandle): Promise<DifficultyRecord> {
  const losses: number[] = [];
  const gradNorm: number[] = [];
  for (const bucket of probe.setting.buckets.keys()) {
    const { loss, gradient } = await probe.gradient(state, bucket);
    losses.push(loss);
    gradNorm.push(Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0)));
  }
  return { step, loss: losses, gradNorm };
}
