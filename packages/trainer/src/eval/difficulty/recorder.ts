/** Writes difficulty.jsonl during training. */
import type { Engine, StateHandle } from '@dm/ops';
import { alone, stretchOf, type Group } from '../../setup/group.js';
import type { TrainingSetup } from '../../setup/training-setup.js';
import { LogFile } from '../../files/log-file.js';
import type { RunFolder } from '../../run/run-folder.js';
import { Unwritten } from '../../files/unwritten.js';
import { isSameSetting } from '../same-setting.js';
import { difficultyLine, readDifficulty, writeDifficulty } from './file.js';
import { openNoiseProbe, type NoiseProbe, type ProbeSetting } from './noise-probe.js';
import type { DifficultyRecord } from '@dm/eval';

export interface DifficultyHooks {
  /** After each line of the file. */
  readonly onRecord?: (record: DifficultyRecord, setting: ProbeSetting) => void;
  /** Collects failed writes. */
  readonly unwritten?: Unwritten;
  /** Receives messages for the user. */
  readonly onNote?: ((text: string) => void) | undefined;
}

export interface DifficultyRecorder {
  /** Continues the file from `step`; at step 0, measures the initial weights. */
  begin(step: number, state: StateHandle): Promise<void>;
  /** Measures the weights in `state` (without averaging) and appends a line. */
  record(step: number, state: StateHandle): Promise<void>;
  /** Retries failed writes once. */
  finish(): void;
  dispose(): Promise<void>;
}

/**
 * A recorder with the configuration's `probe`, on the training engine. Each measurement costs a forward and a backward pass
 * over the images of all buckets. If a resumed run has a different setting, the file is restarted, since its lines would
 * not be comparable; this is reported.
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
  const { group } = setup;
  const file = new LogFile(run.difficulty, 'difficulty.jsonl', unwritten);
  const record = async (step: number, state: StateHandle) => {
    const line = await measure(probe, step, state, group);
    if (group.rank !== 0) return;
    file.append(`step ${step}`, difficultyLine(line));
    onRecord?.(line, setting);
  };
  return {
    async begin(step, state) {
      if (group.rank !== 0) return step === 0 ? record(step, state) : undefined;
      const written = step === 0 ? undefined : readDifficulty(run.difficulty);
      const isSame = written !== undefined && isSameSetting(written.setting, setting);
      if (step > 0 && !isSame) {
        onNote?.(
          `${run.difficulty} ${written === undefined ? 'is missing' : 'was started with other buckets or images'}: ` +
            `restarted at step ${step}`,
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

/** Measures loss and gradient norm of every bucket; the ranks of `group` share the buckets. */
export async function measure(
  probe: NoiseProbe,
  step: number,
  state: StateHandle,
  group: Group = alone,
): Promise<DifficultyRecord> {
  const { first, count } = stretchOf(group, probe.setting.buckets.length);
  const parts = await group.exchange(async () => {
    const values: { readonly loss: number; readonly gradNorm: number }[] = [];
    for (let bucket = first; bucket < first + count; bucket++) {
      const { loss, gradient } = await probe.gradient(state, bucket);
      values.push({ loss, gradNorm: Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0)) });
    }
    return values;
  });
  const values = parts.flat();
  return { step, loss: values.map(({ loss }) => loss), gradNorm: values.map(({ gradNorm }) => gradNorm) };
}
