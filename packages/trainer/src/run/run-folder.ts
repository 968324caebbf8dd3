/** Where the files of a run lie. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, UserError } from '../errors.js';

export interface RunFolder {
  readonly path: string;
  /** The resolved configuration, and what the run found out (`recorded`). */
  readonly config: string;
  /** One JSON object a logged step. */
  readonly metrics: string;
  /** Loss and gradient by noise bucket, see eval/difficulty-file.ts. */
  readonly difficulty: string;
  /** Sample grids, step-000500.png. */
  readonly samples: string;
  /** step-000500/, see checkpoint.ts. */
  readonly checkpoints: string;
  readonly report: string;
}

/** The paths of a run in the folder `path`, whether they exist or not. */
export function runFolder(path: string): RunFolder {
  return {
    path,
    config: join(path, 'config.json'),
    metrics: join(path, 'metrics.jsonl'),
    difficulty: join(path, 'difficulty.jsonl'),
    samples: join(path, 'samples'),
    checkpoints: join(path, 'checkpoints'),
    report: join(path, 'report.html'),
  };
}

/**
 * The folder for a run of a preset that nobody named a folder for: `out`, else the first of `out-2`, `out-3`, ... that
 * holds no run; to resume, the last of these that holds one. Throws a UserError where there is none to resume.
 */
export function defaultRunFolder(out: string, resume: boolean): RunFolder {
  let last: RunFolder | undefined;
  for (let n = 1; ; n++) {
    const run = runFolder(n === 1 ? out : `${out}-${n}`);
    if (hasRun(run)) last = run;
    else if (!resume) return run;
    else if (last !== undefined) return last;
    else throw noRunToResumeError(out);
  }
}

export function noRunToResumeError(out: string): UserError {
  return new UserError(`There is no run in ${out} to resume: name its folder with --out.`, { code: 'RUN_NOT_FOUND' });
}

/** `samples/step-000500.png` */
export function samplePath(run: RunFolder, step: number): string {
  return join(run.samples, `step-${String(step).padStart(6, '0')}.png`);
}

/** Makes the folder. Throws a UserError where it cannot be made. */
export function createRunFolder(run: RunFolder): void {
  try {
    mkdirSync(run.samples, { recursive: true });
    mkdirSync(run.checkpoints, { recursive: true });
  } catch (error) {
    throw new UserError(
      `The run folder ${run.path} cannot be made (${messageOf(error)}). Choose another folder with --out.`,
      { code: 'WRITE_FAILED' },
    );
  }
}

/** Whether a run was begun there. */
export function hasRun(run: RunFolder): boolean {
  return existsSync(run.config) || (existsSync(run.checkpoints) && readdirSync(run.checkpoints).length > 0);
}
