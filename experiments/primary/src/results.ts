/** The result of a trial, and the folder of committed results. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { atomicWriteFileAsync, FileError, makeFolder, readJsonFile } from '@dm/files';
import * as z from 'zod';
import type { Size } from './sizes.js';
import { measuredOn, trialName, type Stage, type Trial } from './trials.js';

/** Loss of epsilon by noise range, from noisy to clean, and its geometric mean: E1. */
export interface RangeLosses {
  readonly geometricMean: number;
  readonly buckets: readonly (number | null)[];
}

export interface Point {
  readonly step: number;
  readonly images: number;
  /** By average: `ema`, whose half-life is 5% of the images, and the others. */
  readonly losses: Readonly<Record<string, RangeLosses>>;
  /** Fréchet and kernel distance of samples from `ema`, in MobileNetV2's features; not measured in tuning. */
  readonly fd?: number;
  readonly kd?: number;
}

export interface TrialResult {
  readonly name: string;
  readonly stage: Stage;
  readonly prediction: string;
  readonly recipe: string;
  readonly lr: number;
  readonly seed: number;
  readonly steps: number;
  readonly size: Size['name'];
  /** Images that it was measured on: `validation` in tuning, `test` in the finals. */
  readonly measuredOn: 'validation' | 'test';
  readonly points: readonly Point[];
  /** Whether an update was not finite; such a run has the points before that. */
  readonly hasDiverged?: true;
  readonly seconds: { readonly training: number; readonly measuring: number };
  /** The one that finished it: a run may have started on another one. */
  readonly machine: string;
  /** Threads of the engine; absent or null if it chose their number. */
  readonly threads?: number | null;
  /** Device of the engine; absent in results from before it could be chosen, which is cpu. */
  readonly device?: string;
  /** Commit of the code, and the SHA-256 of PREREG.md. */
  readonly code: string;
  readonly prereg: string;
}

// JSON has null for NaN.
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);

const pointSchema = z.object({
  step: z.int().positive(),
  images: z.int().positive(),
  losses: z
    .record(z.string(), z.object({ geometricMean: number, buckets: z.array(z.number().nullable()) }))
    .refine((losses) => 'ema' in losses, 'has no losses of `ema`'),
  fd: number.exactOptional(),
  kd: number.exactOptional(),
});

const resultSchema: z.ZodType<TrialResult> = z.object({
  name: z.string(),
  stage: z.enum(['tuning', 'finals', 'secondary']),
  prediction: z.string(),
  recipe: z.string(),
  lr: z.number().positive(),
  seed: z.int(),
  steps: z.int().positive(),
  size: z.enum(['laptop', 'card', 'smoke']),
  measuredOn: z.enum(['validation', 'test']),
  points: z.array(pointSchema),
  hasDiverged: z.literal(true).exactOptional(),
  seconds: z.object({ training: z.number(), measuring: z.number() }),
  machine: z.string(),
  threads: z.int().positive().nullable().exactOptional(),
  device: z.string().exactOptional(),
  code: z.string(),
  prereg: z.string(),
});

/** Losses of the bounds on the same images. */
export interface BoundsResult {
  readonly wiener: RangeLosses;
  readonly posteriorMean: RangeLosses;
}

/** Distance of training images to test images: the floor of E2, over several choices of images. */
export interface FloorResult {
  readonly fd: { readonly value: number; readonly spread: number };
  readonly kd: { readonly value: number; readonly spread: number };
}

export interface Results {
  readonly folder: string;
  /**
   * The result of a trial; undefined if there is none.
   *
   * @throws {FileError} `FILE_INVALID` if its file has the result of another trial, or, after tuning, of another plan
   *   or commit
   */
  find(trial: Trial): TrialResult | undefined;
  /**
   * Finals that were interrupted for a change of the plan, in `interrupted.json`. The analysis does not use them; the
   * choice of learning rates uses that one failed.
   *
   * @throws {FileError} `FILE_INVALID` if the file is invalid
   */
  interrupted(): readonly TrialResult[];
  save(result: TrialResult): Promise<void>;
  /** The value of `<name>.json`, undefined if there is none. */
  read(name: string): unknown;
  write(name: string, value: unknown): Promise<void>;
}

export function openResults(home: string, size: Size): Results {
  const folder = join(home, 'results', size.name);
  const pathOf = (name: string) => join(folder, `${name}.json`);
  const write = (name: string, value: unknown) => writeJson(pathOf(name), value);
  const read = (name: string): unknown => (existsSync(pathOf(name)) ? readJsonFile(pathOf(name)) : undefined);
  return {
    folder,
    find(trial) {
      const name = trialName(trial);
      const value = read(name);
      if (value === undefined) return undefined;
      const result = checkValue(resultSchema, value, pathOf(name));
      checkTrial(result, trial, pathOf(name), {
        size: size.name,
        // Tuning may change the code and the plan.
        ...(trial.stage !== 'tuning' && { code: recordedCommit(read('code')), prereg: preregHash(home, size) }),
      });
      return result;
    },
    interrupted: () => checkValue(z.array(resultSchema), read('interrupted') ?? [], pathOf('interrupted')),
    save: (result) => write(result.name, result),
    read,
    write,
  };
}

const recordedCommit = (code: unknown): string =>
  (code as { readonly commit: string } | undefined)?.commit ?? 'the one of code.json, which is missing';

function checkValue<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  const [issue] = error.issues;
  throw new FileError(path, `is invalid: ${issue!.path.join('.')}: ${issue!.message}.`, { code: 'FILE_INVALID' });
}

/** Refuses a result that is not the trial's, or whose `origin` is another one than expected. */
function checkTrial(
  result: TrialResult,
  trial: Trial,
  path: string,
  origin: Pick<TrialResult, 'size'> & Partial<Pick<TrialResult, 'code' | 'prereg'>>,
): void {
  const { stage, prediction, recipe, seed, steps, measureAt } = trial;
  const refuse = (field: string, found: unknown, expected: unknown) => {
    throw new FileError(path, `has the ${field} ${String(found)}; expected ${String(expected)}.`, {
      code: 'FILE_INVALID',
    });
  };
  const expected = {
    name: trialName(trial),
    stage,
    prediction,
    recipe: recipe.name,
    lr: rounded(trial.lr),
    seed,
    steps,
    measuredOn: measuredOn(trial),
    ...origin,
  };
  for (const [field, value] of Object.entries(expected)) {
    const found = result[field as keyof typeof expected];
    if (found !== value) refuse(field, found, value);
  }
  const measured = result.points.map(({ step }) => step);
  // A run that diverged has the points before that.
  const due = result.hasDiverged ? measureAt.slice(0, measured.length) : measureAt;
  if (measured.join() !== due.join()) refuse('measured steps', measured, due);
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  makeFolder(dirname(path));
  await atomicWriteFileAsync(path, (file) => file.writeFile(`${JSON.stringify(value)}\n`));
}

/** The file of the plan of a size. */
export const planFile = ({ name }: Size): string => (name === 'card' ? 'PREREG-card.md' : 'PREREG.md');

/** SHA-256 of the plan of a size, in hexadecimal. */
export function preregHash(home: string, size: Size): string {
  const hash = createHash('sha256');
  // The plan of the card refers to the other one.
  for (const file of new Set([planFile(size), 'PREREG.md'])) hash.update(readFileSync(join(home, file)));
  return hash.digest('hex');
}

/** Six significant digits, to keep committed files small. */
export function rounded<T>(value: T): T {
  if (typeof value === 'number') return (Number.isInteger(value) ? value : Number(value.toPrecision(6))) as T;
  if (Array.isArray(value)) return value.map(rounded) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)])) as T;
}
