/**
 * The format of manifest.json, which lists the content of a checkpoint. Its last field is the SHA-256 of the manifest,
 * computed with 64 zeros in place of that field, so that any change of the manifest is detected. The hashes themselves are
 * computed elsewhere: synchronously in Node (manifest.ts), by WebCrypto in a browser.
 */
import { FileError, parseJson } from '@dm/files';
import * as z from 'zod';
import { firstProblem } from '../files/first-problem.js';
import { messageOf, UserError } from '../errors.js';
import { damaged } from './damage.js';

export const manifestName = 'manifest.json';
/** Larger than the manifest of any model, in bytes. */
export const maxManifestBytes = 2 ** 24;

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

/** The text of a manifest of the current format; its hash is computed from the text with the default `manifestSha256`. */
export function manifestText(manifest: ManifestFields & Pick<Manifest, 'files'>, manifestSha256 = noHash): string {
  return `${JSON.stringify({ format: checkpointFormat, ...manifest, manifestSha256 }, null, 2)}\n`;
}

const noHash = '0'.repeat(64);

/** The end of a manifest, with its hash. */
const ending = / {2}"manifestSha256": "([0-9a-f]{64})"\n\}\n$/;

/** A manifest whose hash has not been checked yet. */
export interface UncheckedManifest {
  /** What the hash must be of, and the hash; undefined for format 1, which has none. */
  readonly hashed: { readonly bytes: Uint8Array; readonly sha256: string | undefined } | undefined;
  /**
   * The manifest, once the hash was checked.
   *
   * @throws {UserError} `CHECKPOINT_INVALID` if a field is missing or invalid
   */
  readonly parse: () => Manifest;
}

/**
 * Reads a manifest of any format up to its hash; `path` is used in messages.
 *
 * @throws {UserError} `CHECKPOINT_INVALID` if it is not JSON, `CHECKPOINT_NEWER` if a newer version wrote it
 */
export function readManifest(bytes: Uint8Array, path: string): UncheckedManifest {
  const invalid = (why: string) => damaged(`${path} is damaged: ${why}`);
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  let json: unknown;
  try {
    json = parseJson(text, path);
  } catch (error) {
    throw invalid(error instanceof FileError ? `it ${error.reason}` : messageOf(error));
  }
  const { format, manifestSha256 } = (json ?? {}) as { readonly format?: unknown; readonly manifestSha256?: unknown };
  if (typeof format === 'number' && Number.isInteger(format) && format > checkpointFormat) {
    throw new UserError(
      `${path} has format ${format}, but this version reads only formats up to ${checkpointFormat}. Use a newer ` +
        '@dm/trainer, or move the checkpoint out of its folder. It was not changed.',
      { code: 'CHECKPOINT_NEWER' },
    );
  }
  return {
    // A manifest with a hash must match it, whatever its format field says.
    hashed: format === checkpointFormat || manifestSha256 !== undefined ? blanked(bytes) : undefined,
    parse() {
      const parsed = manifestSchema.safeParse(json);
      if (!parsed.success) throw invalid(`${firstProblem(parsed.error)}.`);
      return parsed.data;
    },
  };
}

/** The bytes with zeros in place of the hash at their end, and that hash. The rest may be any bytes, valid UTF-8 or not. */
function blanked(bytes: Uint8Array): { readonly bytes: Uint8Array; readonly sha256: string | undefined } {
  const tail = new TextDecoder('latin1').decode(bytes.subarray(-endingBytes));
  const sha256 = ending.exec(tail)?.[1];
  if (sha256 === undefined) return { bytes, sha256 };
  const zeroed = bytes.slice();
  const start = bytes.length - tail.length + tail.indexOf(sha256);
  zeroed.fill('0'.charCodeAt(0), start, start + sha256.length);
  return { bytes: zeroed, sha256 };
}

/** Length of `ending`. */
const endingBytes = '  "manifestSha256": ""\n}\n'.length + noHash.length;

/** @throws {UserError} `CHECKPOINT_INVALID` if the SHA-256 `found` of `hashed.bytes` is not the one in the manifest */
export function checkManifestHash(
  found: string,
  { sha256 }: { readonly sha256: string | undefined },
  path: string,
): void {
  if (found !== sha256) throw damaged(`${path} is damaged: its SHA-256 differs from the one at its end.`);
}
