/**
 * The zip archive of a run: the files of its folder, with the training images and labels in `data.shard`. Written by a
 * browser or by Node, and opened by both. An archive may come from anybody, so nothing is unpacked before all of its
 * entries were checked here.
 */
import { UserError } from '../errors.js';

/** What an archive says about one of its files. */
export interface ZipMember {
  readonly name: string;
  /** Size when unpacked, in bytes. */
  readonly bytes: number;
}

/** The training images and labels, so that a run continues without its data set. */
export const dataFile = 'data.shard';

/** The files that an archive may contain; those that no one lists are files of a checkpoint. */
const files: readonly string[] = [
  'config.json',
  'metrics.jsonl',
  'difficulty.jsonl',
  'validation.json',
  dataFile,
  'checkpoints/best.json',
];
const checkpointFile = /^checkpoints\/step-\d{6,15}\/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.(?:json|safetensors|npy)$/;

/** Files that every archive has. */
const required = ['config.json', dataFile];

export const maxFiles = 10_000;

/** An archive may unpack to as much as `dm data` allows: 268 MB, or 32 times its size. Weights do not compress. */
const minUnpackedBytes = 2 ** 28;
const maxRatio = 32;

/** Archives of 4 GiB and more have another format, which is not written. */
export const maxZipBytes = 2 ** 32 - 2 ** 20;

/** Whether a file of a run belongs into its archive. */
export function belongsInZip(path: string): boolean {
  return files.includes(path) || checkpointFile.test(path);
}

/**
 * Checks the entries of the archive `source`, which has `zipBytes` bytes.
 *
 * @throws {UserError} `FILE_INVALID` if a run has no file of a name, or is there twice, if files are missing, or
 *   if there are more files or bytes than a run has; the message names the entry
 */
export function checkZip(members: readonly ZipMember[], source: string, zipBytes: number): void {
  const invalid = (why: string) =>
    new UserError(`${source} is not the zip of a run: ${why}.`, { code: 'FILE_INVALID' });
  if (members.length > maxFiles) throw invalid(`it has ${members.length} files, more than ${maxFiles}`);
  const limit = Math.max(minUnpackedBytes, maxRatio * zipBytes);
  // Names that differ only in case would be one file on some systems.
  const seen = new Set<string>();
  let total = 0;
  for (const { name, bytes } of members) {
    if (!belongsInZip(name)) throw invalid(`a run has no file ${JSON.stringify(name.slice(0, 200))}`);
    const key = name.toLowerCase();
    if (seen.has(key)) throw invalid(`it has ${name} twice`);
    seen.add(key);
    total += bytes;
    if (!(total <= limit)) throw invalid(`it unpacks to more than ${limit} bytes`);
  }
  const missing = required.find((name) => !seen.has(name));
  if (missing !== undefined) throw invalid(`it has no ${missing}`);
}
