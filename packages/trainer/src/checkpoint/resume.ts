/** What a run must have in common with the one that it goes on with, and what is said where it does not. */
import { existsSync } from 'node:fs';
import type { Engine } from '@dm/ops';
import { latestCheckpoint, setDamagedAside, type LatestCheckpoint } from './checkpoint-folder.js';
import { readBest, removeBest, writeBest, type Best } from './best.js';
import { isDamage, verifyCheckpoint, type Checkpoint } from './checkpoint.js';
import { checkpointPath, isPartial } from './layout.js';
import { isObject } from '../config/json.js';
import { engineNameNow } from '../config/migration.js';
import { resolveConfig } from '../config/resolve.js';
import { isTrainedUnder, savedConfig } from '../config/saved-config.js';
import { trainingPart } from '../config/schema.js';
import { UserError } from '../errors.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import type { MetricsRecord } from '../run/metrics.js';
import type { RunFolder } from '../run/run-folder.js';
import { optimizerFile } from '../setup/state-table.js';

/**
 * The newest valid checkpoint of a run, if there is one. Damaged ones that are newer are noted and set aside, so that they
 * are never taken for the newest again.
 *
 * @throws {UserError} if the checkpoint belongs to another training, or a newer version wrote one after it
 */
export function findCheckpoint(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  dataSha256: string,
  note: (text: string) => void = () => {},
): Checkpoint | undefined {
  const { checkpoint, skipped } = newestOfTraining(run, setup, dataSha256);
  if (checkpoint !== undefined) checkSameTraining(run, setup, engine, checkpoint, dataSha256, note);
  const [unfinished, damaged] = [true, false].map((is) => skipped.filter(({ path }) => isPartial(path) === is));
  for (const { path, reason } of unfinished!) note(`skipped ${path}: ${reason}`);
  for (const text of setDamagedAside(damaged!)) note(text);
  if (checkpoint === undefined) note(`no valid checkpoint in ${run.checkpoints}: starting from step 0`);
  return checkpoint;
}

/**
 * A manifest of format 1 has no hash, so its hash of the configuration or of the data may be what is damaged: then an older
 * checkpoint has the right one. If none has, the configuration or the data have changed.
 */
function newestOfTraining(run: RunFolder, setup: OpenedTrainingSetup, dataSha256: string): LatestCheckpoint {
  const latest = latestCheckpoint(run.checkpoints);
  const mismatch = ({ manifest, path }: Checkpoint): string | undefined => {
    if (manifest.format > 1) return undefined;
    const isOfData = manifest.dataSha256 === dataSha256;
    if (isOfData && isTrainedUnder(setup.config, manifest.configSha256, run)) return undefined;
    return `${path}/manifest.json is damaged: ${isOfData ? 'configSha256' : 'dataSha256'} is not that of the checkpoints before.`;
  };
  if (latest.checkpoint === undefined || mismatch(latest.checkpoint) === undefined) return latest;
  const older = latestCheckpoint(run.checkpoints, undefined, mismatch);
  return older.checkpoint === undefined ? latest : older;
}

/**
 * Throws a UserError that names every field that differs where the checkpoint belongs to another training; notes
 * another engine, which changes the last bits only.
 */
function checkSameTraining(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  { manifest, path, files }: Checkpoint,
  dataSha256: string,
  note: (text: string) => void = () => {},
): void {
  if (!files.has(optimizerFile)) {
    throw new UserError(
      `${path} holds weights only, as dm import leaves them: there is no training to go on with. Start one from them ` +
        `in another folder: dm train --init-from ${run.path} --config ${run.config} --out <folder>.`,
      { code: 'RESUME_MISMATCH' },
    );
  }
  if (!isTrainedUnder(setup.config, manifest.configSha256, run)) {
    const before = resolveConfig([savedConfig(run)]);
    const changes = differences(trainingPart(before), trainingPart(setup.config));
    throw new UserError(
      `${path} belongs to another configuration; a resumed run must train as it began. ` +
        (changes.length > 0
          ? `Changed: ${changes.join('; ')}. Leave these out, or start a new run in another folder (--out).`
          : 'Its config.json was changed since. Start a new run in another folder (--out).'),
      { code: 'RESUME_MISMATCH' },
    );
  }
  if (manifest.dataSha256 !== dataSha256) {
    throw new UserError(
      `${path} was trained on other data: the SHA-256 of ${setup.dataset.name} is ${dataSha256}, ` +
        `then it was ${manifest.dataSha256}. Give the same data, or start a new run in another folder (--out).`,
      { code: 'RESUME_MISMATCH' },
    );
  }
  const now = { name: engine.name, info: engine.info };
  const before = { ...manifest.engine, name: engineNameNow(manifest.engine.name) };
  const changes = differences(before, now);
  if (changes.length > 0) {
    note(`resumed on another engine than before (${changes.join('; ')}): the last bits of results may differ`);
  }
}

/** `field: before -> now` for each leaf that differs. */
function differences(before: unknown, now: unknown, path = ''): string[] {
  if (isObject(before) && isObject(now)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])];
    return keys.flatMap((key) => differences(before[key], now[key], path === '' ? key : `${path}.${key}`));
  }
  const [a, b] = [JSON.stringify(before) ?? 'nothing', JSON.stringify(now) ?? 'nothing'];
  return a === b ? [] : [`${path}: ${a} -> ${b}`];
}

/**
 * The best that a resumed run goes on with: the best of the log, cut to what the resumed step knows, if its checkpoint is
 * there and valid; else the one that best.json names, on the same terms. best.json is made to say so; one from after the
 * resumed step is removed, since its weights will be trained again. A checkpoint that is missing or damaged is noted, and
 * the next evaluation chooses anew.
 */
export function restoreBest(
  folder: string,
  logged: readonly MetricsRecord[],
  metric: string,
  step: number,
  note: (text: string) => void = () => {},
): Best | undefined {
  let written = readBest(folder);
  if (written !== undefined && written.step > step) {
    removeBest(folder);
    written = undefined;
  }
  const candidates = [bestOfLog(logged, metric), written].flatMap((best) => (best?.metric === metric ? [best] : []));
  const steps = new Set<number>();
  for (const best of candidates) {
    if (steps.has(best.step)) continue;
    steps.add(best.step);
    const path = checkpointPath(folder, best.step);
    try {
      // That of the resumed step was verified as it was read.
      if (best.step !== step) verifyCheckpoint(path);
      if (best.step !== written?.step || best.value !== written.value) writeBest(folder, best);
      return best;
    } catch (error) {
      if (!isDamage(error)) throw error;
      note(`the best checkpoint by ${metric}, of step ${best.step}, cannot be used: ${error.message}`);
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
