/**
 * manifest.json, which lists the content of a checkpoint. Its last field is the SHA-256 of its own bytes, computed with 64
 * zeros in place of that field, so that any change of the manifest is detected.
 */
import { createHash } from 'node:crypto';
import { FileError, parseJson } from '@dm/files';
import * as z from 'zod';
import { messageOf, UserError } from '../errors.js';
import { firstProblem } from '../files/check-value.js';

/**
 * Version of the layout. This file keeps a reader for every version ever written, and fixtures/format-<version> a small
 * checkpoint of each, which a test resumes. Format 1 has no hash of the manifest.
 */
export const checkpointFormat = 2;

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');

const fields = {
  /** Optimizer steps done. */
  step: z.int().min(0),
  /** Hash of the part of the configuration that determines the weights (`trainingHash`). */
  configSha256: sha256Hex,
  dataSha256: sha256Hex,
  /** Name and `info` of the engine, which affect the last bits. */
  engine: z.object({
    name: z.string(),
    info: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  }),
  /** Sums for the next log line at this step, and other state from which the log continues. */
  log: z.record(z.string(), z.array(z.number())),
  files: z
    .record(z.string(), z.object({ bytes: z.int().min(0), sha256: sha256Hex }))
    .refine((files) => Object.keys(files).length > 0, 'must name at least one file'),
};

const manifestSchema = z.discriminatedUnion('format', [
  z.object({ format: z.literal(1), ...fields }),
  z.object({ format: z.literal(checkpointFormat), ...fields, manifestSha256: sha256Hex }),
]);

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestFields = Omit<Manifest, 'format' | 'files' | 'manifestSha256'>;

/** The text of a manifest of the current format. */
export function formatManifest(manifest: ManifestFields & Pick<Manifest, 'files'>): string {
  const withHash = (hash: string) =>
    `${JSON.stringify({ format: checkpointFormat, ...manifest, manifestSha256: hash }, null, 2)}\n`;
  return withHash(createHash('sha256').update(withHash(noHash)).digest('hex'));
}

const noHash = '0'.repeat(64);

/** The end of a manifest, with its hash. */
const ending = / {2}"manifestSha256": "([0-9a-f]{64})"\n\}\n$/;

/**
 * Parses a manifest of any format; `path` is used in messages.
 *
 * @throws {UserError} `CHECKPOINT_INVALID` if it is damaged, `CHECKPOINT_NEWER` if a newer version wrote it
 */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  const damaged = (why: string) => new UserError(`${path} is damaged: ${why}`, { code: 'CHECKPOINT_INVALID' });
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  let json: unknown;
  try {
    json = parseJson(Buffer.from(text, 'latin1').toString('utf8'), path);
  } catch (error) {
    throw damaged(error instanceof FileError ? `it ${error.reason}` : messageOf(error));
  }
  const { format, manifestSha256 } = (json ?? {}) as { readonly format?: unknown; readonly manifestSha256?: unknown };
  if (typeof format === 'number' && Number.isInteger(format) && format > checkpointFormat) {
    throw new UserError(
      `${path} has format ${format}, but this version reads only formats up to ${checkpointFormat}. Use a newer ` +
        '@dm/trainer, or move the checkpoint out of its folder. It was not changed.',
      { code: 'CHECKPOINT_NEWER' },
    );
  }
  // A manifest with a hash must match it, whatever its format field says.
  if (format === checkpointFormat || manifestSha256 !== undefined) {
    const written = ending.exec(text)?.[1];
    const blanked = text.replace(ending, (end, hash: string) => end.replace(hash, noHash));
    if (written === undefined || createHash('sha256').update(blanked, 'latin1').digest('hex') !== written) {
      throw damaged('its SHA-256 differs from the one at its end.');
    }
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) throw damaged(`${firstProblem(parsed.error)}.`);
  return parsed.data;
}
