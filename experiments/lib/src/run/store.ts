/** The committed files of an experiment: one JSON for each finished trial. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FileError, readJsonFile } from '@dm/files';
import { trialKey, type AnyResult, type AnyTrial } from '../recipe/trial.js';

export interface Store<T extends AnyTrial, R extends AnyResult> {
  /** The folder of the configuration: experiments/<name>/results/<scale>. */
  readonly folder: string;
  /**
   * The result of a trial, where it is finished and means the same. One that another experiment, or another stage, has
   * finished is copied from there, and says so.
   */
  find(trial: T): R | undefined;
  save(trial: T, result: R): void;
}

export interface StoreOptions<R> {
  /** Empties the folder first, and takes nothing from elsewhere. */
  readonly fresh: boolean;
  /** Whether a result of another experiment is of this one's kind; left out, none is taken. */
  readonly accepts?: ((result: AnyResult) => result is R & AnyResult) | undefined;
}

/** `folder` is made where it is missing. */
export function openStore<T extends AnyTrial, R extends AnyResult>(
  folder: string,
  { fresh, accepts }: StoreOptions<R>,
): Store<T, R> {
  if (fresh) rmSync(folder, { recursive: true, force: true });
  const finished = fresh || accepts === undefined ? new Map<string, string>() : finishedTrials(folder, accepts);
  const pathOf = ({ stage, arm, seed }: T) => join(folder, stage, `${arm.name}.seed-${seed}.json`);
  const save = (trial: T, result: R): void => {
    mkdirSync(join(folder, trial.stage), { recursive: true });
    writeJson(pathOf(trial), result);
    if (!fresh && result.from === undefined && accepts?.(result) === true) finished.set(result.key, pathOf(trial));
  };
  return {
    folder,
    save,
    find(trial) {
      const key = trialKey(trial);
      const path = pathOf(trial);
      const own = existsSync(path) ? (read(path) as R) : undefined;
      if (own?.key === key) return own;
      const other = finished.get(key);
      if (other === undefined) return undefined;
      const found = read(other) as R;
      const { stage, arm, seed } = trial;
      const copy: R = { ...found, stage, arm: arm.name, about: arm.about, seed, from: origin(other) };
      save(trial, copy);
      return copy;
    },
  };
}

/** Paths of the trials that all experiments have finished at this scale, by key. */
function finishedTrials(folder: string, accepts: (result: AnyResult) => boolean): Map<string, string> {
  const home = dirname(dirname(folder));
  const paths = readdirSync(dirname(home), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(dirname(home), name, 'results', basename(folder)))
    .filter((results) => existsSync(results))
    .flatMap((results) =>
      readdirSync(results, { recursive: true, encoding: 'utf8' })
        .filter((path) => /\.seed-\d+\.json$/.test(path))
        .map((path) => join(results, path)),
    );
  // What was itself copied is left out: a copy names where it was trained.
  return new Map(
    paths.flatMap((path) => {
      const result = read(path);
      return result.from === undefined && accepts(result) ? [[result.key, path] as const] : [];
    }),
  );
}

/** `momentum/final/constant.seed-0`. */
function origin(path: string): string {
  const parts = path.replace(/\.json$/, '').split(/[/\\]/);
  return [parts.at(-5), parts.at(-2), parts.at(-1)].join('/');
}

/** What every result begins with is checked; the rest is as good as its key says, which is a hash of what was trained. */
function read(path: string): AnyResult {
  const value = readJsonFile(path);
  const { key, arm, seed, from } = (value ?? {}) as Partial<Record<keyof AnyResult, unknown>>;
  const isResult =
    typeof key === 'string' &&
    typeof arm === 'string' &&
    Number.isSafeInteger(seed) &&
    (from === undefined || typeof from === 'string');
  if (isResult) return value as AnyResult;
  throw new FileError(path, 'is no result of a trial: key, arm or seed are missing or of another type. Remove it.', {
    code: 'FILE_INVALID',
  });
}

/** By rename, so that a run that is killed leaves no half a file. */
export function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.part`, `${JSON.stringify(value, null, 1)}\n`);
  renameSync(`${path}.part`, path);
}
