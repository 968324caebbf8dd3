/** Resuming: finds the checkpoint, and checks that configuration and data match the run. */
import { existsSync } from 'node:fs';
import { dmCommand } from '@dm/files';
import type { Engine } from '@dm/ops';
import {
  latestCheckpoint,
  setDamagedAside,
  type LatestCheckpoint,
  type SkippedCheckpoint,
} from './checkpoint-folder.js';
import { readBest, removeBest, writeBest, type Best } from './best.js';
import type { Checkpoint } from './content.js';
import { isDamage } from './damage.js';
import { verifyCheckpoint } from './checkpoint.js';
import { checkpointPath, isPartial } from './layout.js';
import { differences } from '../config/differences.js';
import { engineNameNow } from '../config/migration.js';
import { resolveConfig } from '../config/resolve.js';
import { isTrainedUnder, savedConfig } from '../config/saved-config.js';
import { trainingPart, type Config } from '../config/schema.js';
import { UserError } from '../errors.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import type { MetricsRecord } from '../run/metrics-record.js';
import type { RunFolder } from '../run/run-folder.js';
import { optimizerFile } from '../setup/state-table.js';

/**
 * The newest valid checkpoint of a run; undefined if the run has not saved one yet. Newer damaged ones are reported and
 * renamed, so that they are not considered again.
 *
 * @throws {UserError} `RESUME_MISMATCH` if the checkpoint belongs to another training run, `CHECKPOINT_NEWER` if a later
 *   checkpoint was written by a newer version, `CHECKPOINT_INVALID` if all are damaged, `FILE_INVALID` if the system does not
 *   read one now; then nothing is renamed
 */
export function findCheckpoint(
  run: RunFolder,
  { config, dataset }: Pick<OpenedTrainingSetup, 'config' | 'dataset'>,
  engine: Engine,
  dataSha256: string,
  note: (text: string) => void = () => {},
): Checkpoint | undefined {
  const { checkpoint, skipped } = newestOfTraining(run, config, dataSha256);
  if (checkpoint !== undefined) checkSameTraining(run, config, engine, checkpoint, dataset.name, dataSha256, note);
  const [unfinished, damaged] = [true, false].map((is) => skipped.filter(({ path }) => isPartial(path) === is));
  if (checkpoint === undefined && damaged!.length > 0) throw allDamaged(run, damaged!);
  for (const { path, reason } of unfinished!) note(`skipped ${path}: ${reason}`);
  for (const text of setDamagedAside(damaged!)) note(text);
  if (checkpoint === undefined) note(`no valid checkpoint in ${run.checkpoints}: starting from step 0`);
  return checkpoint;
}

function allDamaged(run: RunFolder, damaged: readonly SkippedCheckpoint[]): UserError {
  const list = damaged.map(({ path, reason }) => `${path}: ${reason}`).join('\n');
  return new UserError(
    `No checkpoint in ${run.checkpoints} can be read; nothing was changed:\n${list}\n` +
      'Restore one of them, or begin the run again with --overwrite, which removes its log too.',
    { code: 'CHECKPOINT_INVALID' },
  );
}

/**
 * The manifest of format 1 is not protected by a hash, so a mismatch of the configuration or data hash may be damage: then
 * an older checkpoint has the right one. If none has, the configuration or the data did change.
 */
function newestOfTraining(run: RunFolder, config: Config, dataSha256: string): LatestCheckpoint {
  const latest = latestCheckpoint(run.checkpoints);
  const mismatch = ({ manifest, path }: Checkpoint): string | undefined => {
    if (manifest.format > 1) return undefined;
    const isOfData = manifest.dataSha256 === dataSha256;
    if (isOfData && isTrainedUnder(config, manifest.configSha256, run)) return undefined;
    return `${path}/manifest.json is damaged: ${isOfData ? 'configSha256' : 'dataSha256'} differs from earlier checkpoints.`;
  };
  if (latest.checkpoint === undefined || mismatch(latest.checkpoint) === undefined) return latest;
  const older = latestCheckpoint(run.checkpoints, undefined, mismatch);
  return older.checkpoint === undefined ? latest : older;
}

/**
 * Reports a different engine, which changes only the last bits.
 *
 * @throws {UserError} `RESUME_MISMATCH` if the checkpoint belongs to another training run; lists all fields that differ
 */
function checkSameTraining(
  run: RunFolder,
  config: Config,
  engine: Engine,
  { manifest, path, files }: Checkpoint,
  data: string,
  dataSha256: string,
  note: (text: string) => void,
): void {
  if (!files.has(optimizerFile)) throw importedError(path, run);
  if (!isTrainedUnder(config, manifest.configSha256, run)) {
    const changes = differences(trainingPart(resolveConfig([savedConfig(run)])), trainingPart(config));
    throw changedError(path, changes);
  }
  if (manifest.dataSha256 !== dataSha256) {
    throw new UserError(
      `${path} was trained on other data: the SHA-256 of ${data} is ${dataSha256}, but was ` +
        `${manifest.dataSha256}. Use the same data, or start a new run in another folder (--out).`,
      { code: 'RESUME_MISMATCH' },
    );
  }
  const now = { name: engine.name, info: engine.info };
  const before = { ...manifest.engine, name: engineNameNow(manifest.engine.name) };
  const changes = differences(before, now);
  if (changes.length > 0) {
    note(`resumed on a different engine (${changes.join('; ')}): results may differ in the last bits`);
  }
}

/**
 * Checks before anything is opened that a resumed run keeps the configuration `before`. Fields that are left to the data
 * (null) are checked once they are filled in.
 *
 * @throws {UserError} `RESUME_MISMATCH` if the training, or the preset, would be another one; lists all fields that differ
 */
export function checkUnchanged(run: RunFolder, before: Config, now: Config): void {
  const changes = [
    ...differences({ preset: before.preset }, { preset: now.preset }),
    ...differences(trainingPart(before), trainingPart(now)),
  ].filter((change) => !change.startsWith('model.') || !/ -> (null|nothing)$/.test(change));
  if (changes.length === 0) return;
  const { checkpoint } = latestCheckpoint(run.checkpoints, []);
  if (checkpoint !== undefined && !Object.hasOwn(checkpoint.manifest.files, optimizerFile)) {
    throw importedError(checkpoint.path, run);
  }
  throw changedError(run.path, changes);
}

function importedError(path: string, run: RunFolder): UserError {
  return new UserError(
    `${path} contains only imported weights, so there is no training run to resume. Start one from these weights in ` +
      `another folder: ${dmCommand(['train'], { config: run.config, 'init-from': run.path, data: '<data>', out: '<folder>' })}`,
    { code: 'RESUME_MISMATCH' },
  );
}

function changedError(path: string, changes: readonly string[]): UserError {
  const extend = changes.some((change) => change.startsWith('totalSteps: '))
    ? 'To train a finished run for more steps, use --extend <steps>. '
    : '';
  return new UserError(
    `${path} was trained with another configuration, which a resumed run must not change. ` +
      (changes.length > 0
        ? `Changed: ${changes.join('; ')}. ${extend}Do not set these, or start a new run in another folder (--out).`
        : 'Its config.json has been modified. Start a new run in another folder (--out).'),
    { code: 'RESUME_MISMATCH' },
  );
}

/**
 * The best evaluation with which a resumed run continues: the best one in the log up to the resumed step, if its
 * checkpoint is valid; otherwise the one that best.json names, under the same condition. Updates best.json accordingly; an
 * entry from after the resumed step is removed, since these steps will be trained again. A missing or damaged checkpoint is
 * reported, and the next evaluation selects a new best. Evaluations up to step `since` had another setting, and are not
 * considered.
 */
export function restoreBest(
  folder: string,
  logged: readonly MetricsRecord[],
  metric: string,
  step: number,
  note: (text: string) => void = () => {},
  since = 0,
): Best | undefined {
  let written = readBest(folder);
  if (written !== undefined && written.step > step) {
    removeBest(folder);
    written = undefined;
  }
  const comparable = logged.filter((record) => record.step > since);
  const candidates = [bestOfLog(comparable, metric), written].flatMap((best) =>
    best?.metric === metric && best.step > since ? [best] : [],
  );
  const steps = new Set<number>();
  for (const best of candidates) {
    if (steps.has(best.step)) continue;
    steps.add(best.step);
    const path = checkpointPath(folder, best.step);
    try {
      // The checkpoint of the resumed step was verified when it was read.
      if (best.step !== step) verifyCheckpoint(path);
      if (best.step !== written?.step || best.value !== written.value) writeBest(folder, best);
      return best;
    } catch (error) {
      if (!isDamage(error)) throw error;
      note(`the best checkpoint by ${metric}, from step ${best.step}, cannot be used: ${error.message}`);
      if (existsSync(path)) setDamagedAside([{ path, reason: error.message }]).forEach(note);
    }
  }
  if (steps.size > 0) removeBest(folder);
  return undefined;
}

function bestOfLog(logged: readonly MetricsRecord[], metric: string): Best | undefined {
  let best: Best | undefined;
  for (const record of logged) {
    const value = record.eval?.[metric];
    if (value !== undefined && (best === undefined || value < best.value)) best = { step: record.step, metric, value };
  }
  return best;
}
