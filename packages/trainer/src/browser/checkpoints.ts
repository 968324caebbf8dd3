/**
 * Checkpoints in a store: the same files as in Node, in `checkpoints/step-000500`. The manifest is written last and removed
 * first, and a folder without a valid one does not count, so a page that is closed meanwhile leaves only complete ones.
 */
import { checkHash, contentSize, partBytes, type Checkpoint, type FileContent } from '../checkpoint/content.js';
import { checkpointName, stepOfName } from '../checkpoint/checkpoint-name.js';
import { damaged, isDamage } from '../checkpoint/damage.js';
import {
  checkManifestHash,
  manifestName,
  manifestText,
  maxManifestBytes,
  readManifest,
  type Manifest,
  type ManifestFields,
} from '../checkpoint/manifest-format.js';
import { expiredSteps, type RetentionCandidate, type RetentionPolicy } from '../checkpoint/policy.js';
import { lossTrendKey, smoothedLoss } from '../step/loss-trend.js';
import { codeOf, UserError } from '../errors.js';
import { storeError, type RunStore } from './run-store.js';
import { sha256 } from './sha256.js';

const folder = 'checkpoints';

/** What reading needs of a store. */
export type ReadableStore = Pick<RunStore, 'read' | 'list'>;

/** `checkpoints/step-000500` */
export function checkpointPath(step: number): string {
  return `${folder}/${checkpointName(step)}`;
}

/** `checkpoints/step-000500/manifest.json` */
export function manifestPath(step: number): string {
  return `${checkpointPath(step)}/${manifestName}`;
}

/**
 * Writes a checkpoint and returns its path. If that fails, what was written of it is removed.
 *
 * @throws {UserError} `DISK_FULL` if the browser has no more space for the page, `WRITE_FAILED` if it cannot be written for
 *   another reason, `CHECKPOINT_NEWER` if a newer version wrote a checkpoint of this step; other checkpoints are not changed
 */
export async function saveCheckpoint(
  store: RunStore,
  fields: ManifestFields,
  files: Readonly<Record<string, FileContent>>,
): Promise<string> {
  const path = checkpointPath(fields.step);
  await removeCheckpoint(store, fields.step);
  try {
    const entries: Record<string, { bytes: number; sha256: string }> = {};
    for (const [name, content] of Object.entries(files)) {
      const bytes = joined(content);
      await store.write(`${path}/${name}`, bytes);
      entries[name] = { bytes: bytes.length, sha256: await sha256(bytes) };
    }
    const manifest = { ...fields, files: entries };
    const text = manifestText(manifest, await sha256(manifestText(manifest)));
    await store.write(`${path}/${manifestName}`, new TextEncoder().encode(text));
    return path;
  } catch (error) {
    await store.remove(path).catch(() => {}); // the error that led here says more
    const { message, code } = storeError(path, error);
    throw new UserError(
      `The checkpoint of step ${fields.step} was not saved, and earlier ones were not changed. ${message}`,
      {
        code,
        cause: error,
      },
    );
  }
}

/** The bytes of a file. */
export function joined(content: FileContent): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(contentSize(content));
  let end = 0;
  for (const part of content) {
    const piece = partBytes(part);
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}

/**
 * Removes a checkpoint, if there is one.
 *
 * @throws {UserError} `CHECKPOINT_NEWER` if a newer version wrote it
 */
async function removeCheckpoint(store: RunStore, step: number): Promise<void> {
  const path = checkpointPath(step);
  const manifest = await store.read(`${path}/${manifestName}`);
  if (manifest !== undefined) {
    try {
      readManifest(manifest, `${path}/${manifestName}`);
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    await store.remove(`${path}/${manifestName}`);
  }
  await store.remove(path);
}

/**
 * Reads and verifies a checkpoint.
 *
 * @throws {UserError} `CHECKPOINT_NOT_FOUND` if the manifest is missing, `CHECKPOINT_INVALID` if something is damaged,
 *   `CHECKPOINT_NEWER` if a newer version wrote it
 */
export async function loadCheckpoint(store: ReadableStore, step: number): Promise<Checkpoint> {
  const path = checkpointPath(step);
  const manifest = await loadManifest(store, step);
  const files = new Map<string, Uint8Array>();
  for (const [name, expected] of Object.entries(manifest.files)) {
    if (name.includes('/')) throw damaged(`${path}: the manifest names a file outside the checkpoint: ${name}`);
    const bytes = await store.read(`${path}/${name}`);
    if (bytes === undefined) throw damaged(`${path}/${name} is missing.`);
    checkHash(`${path}/${name}`, await sha256(bytes), expected);
    files.set(name, bytes);
  }
  return { path, manifest, files };
}

async function loadManifest(store: ReadableStore, step: number): Promise<Manifest> {
  const path = `${checkpointPath(step)}/${manifestName}`;
  const bytes = await store.read(path);
  if (bytes === undefined) {
    throw new UserError(`${checkpointPath(step)} is incomplete: it has no ${manifestName}.`, {
      code: 'CHECKPOINT_NOT_FOUND',
    });
  }
  if (bytes.length > maxManifestBytes) throw damaged(`${path} has ${bytes.length} bytes.`);
  const { hashed, parse } = readManifest(bytes, path);
  if (hashed !== undefined) checkManifestHash(await sha256(hashed.bytes), hashed, path);
  const manifest = parse();
  if (manifest.step !== step) throw damaged(`${path} is for step ${manifest.step}, unlike the name of its folder.`);
  return manifest;
}

/** Steps of all folders of checkpoints among these files, complete or not, in ascending order. */
export function checkpointSteps(paths: readonly string[]): number[] {
  const steps = paths.flatMap((path) => {
    const [first, name] = path.split('/');
    const step = first === folder && name !== undefined ? stepOfName(name) : undefined;
    return step === undefined ? [] : [step];
  });
  return [...new Set(steps)].toSorted((a, b) => a - b);
}

async function storedSteps(store: ReadableStore): Promise<number[]> {
  return checkpointSteps((await store.list()).map(({ path }) => path));
}

/** A checkpoint that cannot be read. */
export interface SkippedCheckpoint {
  /** Its path, and why. */
  readonly text: string;
  /** Whether it has no manifest: the page was closed while it was written or removed. */
  readonly isIncomplete: boolean;
}

/** The newest valid checkpoint, if there is one, and the newer ones that were skipped. */
export async function latestCheckpoint(
  store: ReadableStore,
): Promise<{ readonly checkpoint: Checkpoint | undefined; readonly skipped: readonly SkippedCheckpoint[] }> {
  const skipped: SkippedCheckpoint[] = [];
  for (const step of (await storedSteps(store)).toReversed()) {
    try {
      return { checkpoint: await loadCheckpoint(store, step), skipped };
    } catch (error) {
      if (!isDamage(error)) throw error;
      const isIncomplete = codeOf(error) === 'CHECKPOINT_NOT_FOUND';
      skipped.push({ text: `${checkpointPath(step)}: ${error.message}`, isIncomplete });
    }
  }
  return { checkpoint: undefined, skipped };
}

/** Steps of the checkpoints whose manifests are valid and whose files have the right sizes, in ascending order. */
export async function validSteps(store: ReadableStore): Promise<readonly RetentionCandidate[]> {
  const listed = await store.list();
  const sizes = new Map(listed.map(({ path, bytes }) => [path, bytes]));
  const valid: RetentionCandidate[] = [];
  for (const step of checkpointSteps(listed.map(({ path }) => path))) {
    try {
      const { files, log } = await loadManifest(store, step);
      const isComplete = Object.entries(files).every(
        ([name, { bytes }]) => sizes.get(`${checkpointPath(step)}/${name}`) === bytes,
      );
      if (isComplete) valid.push({ step, ...smoothedLoss(log[lossTrendKey]) });
    } catch (error) {
      if (!isDamage(error) && codeOf(error) !== 'CHECKPOINT_NEWER') throw error;
    }
  }
  return valid;
}

/**
 * Removes the valid checkpoints that `retention` does not keep, except the steps in `keep`, and incomplete ones.
 * Checkpoints of a newer version are not changed.
 */
export async function pruneCheckpoints(
  store: RunStore,
  retention: RetentionPolicy,
  keep: readonly number[],
): Promise<void> {
  const valid = await validSteps(store);
  const expired = expiredSteps(retention, valid);
  const known = new Set(valid.map(({ step }) => step));
  const errors: unknown[] = [];
  for (const step of await storedSteps(store)) {
    if (keep.includes(step) || (known.has(step) && !expired.has(step))) continue;
    await removeCheckpoint(store, step).catch((error: unknown) => errors.push(error));
  }
  const failed = errors.find((error) => codeOf(error) !== 'CHECKPOINT_NEWER');
  if (failed !== undefined) throw failed;
}
