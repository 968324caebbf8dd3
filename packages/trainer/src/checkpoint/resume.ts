/** What a run must have in common with the one that it goes on with, and what is said where it does not. */
import type { Engine } from '@dm/ops';
import { latestCheckpoint, type Checkpoint } from './checkpoint.js';
import { isObject } from '../config/json.js';
import { engineNameNow } from '../config/migration.js';
import { resolveConfig } from '../config/resolve.js';
import { isTrainedUnder, savedConfig } from '../config/saved-config.js';
import { trainingPart } from '../config/schema.js';
import { UserError } from '../errors.js';
import type { OpenedTrainingSetup } from '../setup/open-training-setup.js';
import type { RunFolder } from '../run/run-folder.js';
import { optimizerFile } from '../setup/state-table.js';

/**
 * The newest valid checkpoint of a run, if there is one; invalid ones are noted. Throws a UserError if it belongs to
 * another training.
 */
export function findCheckpoint(
  run: RunFolder,
  setup: OpenedTrainingSetup,
  engine: Engine,
  dataSha256: string,
  note: (text: string) => void = () => {},
): Checkpoint | undefined {
  const { checkpoint, skipped } = latestCheckpoint(run.checkpoints);
  for (const { path, reason } of skipped) note(`skipped ${path}: ${reason}`);
  if (checkpoint === undefined) note(`no valid checkpoint in ${run.checkpoints}: starting from step 0`);
  else checkSameTraining(run, setup, engine, checkpoint, dataSha256, note);
  return checkpoint;
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
