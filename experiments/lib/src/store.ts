/** The committed files of an experiment: one JSON for each finished trial. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { trialKey, type AnyResult, type AnyTrial } from './arm.js';

export interface Store<T extends AnyTrial, R extends AnyResult> {
  /** The folder of the configuration: experiments/<name>/results/<scale>. */
  readonly folder: string;
  /** The result of a trial, where it is finished and means the same. */
  find(trial: T): R | undefined;
  save(trial: T, result: R): void;
}

/** `folder` is made where it is missing; `fresh` empties it. */
export function openStore<T extends AnyTrial, R extends AnyResult>(folder: string, fresh: boolean): Store<T, R> {
  if (fresh) rmSync(folder, { recursive: true, force: true });
  const pathOf = ({ stage, arm, seed }: T) => join(folder, stage, `${arm.name}.seed-${seed}.json`);
  return {
    folder,
    find(trial) {
      const path = pathOf(trial);
      if (!existsSync(path)) return undefined;
      const result = JSON.parse(readFileSync(path, 'utf8')) as R;
      return result.key === trialKey(trial) ? result : undefined;
    },
    save(trial, result) {
      mkdirSync(join(folder, trial.stage), { recursive: true });
      writeJson(pathOf(trial), result);
    },
  };
}

/** By rename, so that a run that is killed leaves no half a file. */
export function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.part`, `${JSON.stringify(value, null, 1)}\n`);
  renameSync(`${path}.part`, path);
}
