/** The committed results of an experiment: one JSON file per finished trial. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { FileError, readJsonFile } from '@dm/files';
import { trialKey, type AnyResult, type AnyTrial } from '../recipe/trial.js';

export interface Store<T extends AnyTrial, R extends AnyResult> {
  /** `experiments/<name>/results/<scale>`. */
  readonly folder: string;
  /**
   * The result of a finished trial with the same key. If only another experiment or stage has finished it, its result
   * is copied, with its origin in `from`.
   */
  find(trial: T): R | undefined;
  save(trial: T, result: R): void;
}

export interface StoreOptions<R> {
  /** Delete existing results first, and do not reuse results of other experiments. */
  readonly fresh: boolean;
  /** Type guard for results of other experiments that may be reused. Default: none are reused. */
  readonly accepts?: ((result: AnyResult) => result is R & AnyResult) | undefined;
}

/** Opens the results in `folder`; `save` creates missing folders. */
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

/** Experiments that store their results in another format. */
const otherKinds = new Set(['primary', 'start']);

/** Paths of the finished trials of all experiments at this scale, by key. */
function finishedTrials(folder: string, accepts: (result: AnyResult) => boolean): Map<string, string> {
  const home = dirname(dirname(folder));
  const paths = readdirSync(dirname(home), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !otherKinds.has(entry.name))
    .map(({ name }) => join(dirname(home), name, 'results', basename(folder)))
    .filter((results) => existsSync(results))
    .flatMap((results) =>
      readdirSync(results, { recursive: true, encoding: 'utf8' })
        .filter((path) => /\.seed-\d+\.json$/.test(path))
        .map((path) => join(results, path)),
    );
  // Exclude copies, so that `from` always names the experiment that trained the model.
  return new Map(
    paths.flatMap((path) => {
      const result = read(path);
      return result.from === undefined && accepts(result) ? [[result.key, path] as const] : [];
    }),
  );
}

/** Experiment, stage, and file, as in `momentum/final/constant.seed-0`. */
function origin(path: string): string {
  const parts = path.replace(/\.json$/, '').split(/[/\\]/);
  return [parts.at(-5), parts.at(-2), parts.at(-1)].join('/');
}

/** Checks the fields that all results have. The others are not validated: the key identifies what was trained. */
function read(path: string): AnyResult {
  const value = readJsonFile(path);
  const { key, arm, seed, from } = (value ?? {}) as Partial<Record<keyof AnyResult, unknown>>;
  const isResult =
    typeof key === 'string' &&
    typeof arm === 'string' &&
    Number.isSafeInteger(seed) &&
    (from === undefined || typeof from === 'string');
  if (isResult) return value as AnyResult;
  throw new FileError(
    path,
    'is not a result of a trial: `key`, `arm`, or `seed` is missing or has the wrong type. Remove the file.',
    {
      code: 'FILE_INVALID',
    },
  );
}

/** Writes a file and renames it, so that a killed process does not leave a partial file. */
export function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.part`, `${JSON.stringify(value)}\n`);
  renameSync(`${path}.part`, path);
}
