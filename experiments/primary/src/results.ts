/** The result of a trial, and the folder of committed results. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { atomicWriteFileAsync, makeFolder, readJsonFile } from '@dm/files';
import type { Size } from './sizes.js';
import { trialName, type Stage, type Trial } from './trials.js';

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
  find(trial: Trial): TrialResult | undefined;
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
    find: (trial) => read(trialName(trial)) as TrialResult | undefined,
    save: (result) => write(result.name, result),
    read,
    write,
  };
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
