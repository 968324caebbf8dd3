import type { BigIntStats } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { DataError } from '../errors.js';
import { imageExtensions } from '../formats/decode-image.js';
import { mapConcurrent } from '../io/map-concurrent.js';
import { fileError } from '../io/read-file.js';
import { checkLimit, limitError, resolveLimits, type DataLimits } from '../limits.js';
import { compareCodeUnits, LABEL_FILE } from './labels.js';
import { createSkippedFiles, type SkippedFiles } from './skipped-files.js';

export interface ImageListing {
  /** Paths relative to the folder, with '/'; folder by folder, names sorted by code units. */
  readonly paths: readonly string[];
  /** Notes about skipped files and folders, one sentence each. */
  readonly notes: readonly string[];
  /** With `skipBad`: the links that were skipped, each with the reason. */
  readonly skippedLinks: readonly string[];
}

export interface ListImagesOptions {
  /** Skip links that cannot be followed, instead of stopping at the first. Default false. */
  readonly skipBad?: boolean | undefined;
}

/** Folder entries read at a time. */
const READ_AHEAD = 1024;
/** Links followed at a time. */
const CONCURRENT = 16;
const skipBadHint = 'skipBad (--skip-bad) skips such links.';

/**
 * The images in a folder and its subfolders, by file extension; hidden files and folders (`.name`) are skipped. Links
 * to files and folders are followed, but each folder counts once: links to a folder that is already included are
 * skipped. Uses about 100 bytes of memory per image.
 * @throws {DataError} if the folder is missing, cannot be read, or has no images; if a link is broken or leads to a
 * folder that contains it, and `skipBad` is not set; or if `maxImages` or `maxDepth` is exceeded
 */
export async function listImages(
  root: string,
  options: Partial<DataLimits> = {},
  { skipBad = false }: ListImagesOptions = {},
): Promise<ImageListing> {
  const limits = resolveLimits(options);
  const found = await stat(root, { bigint: true }).catch(() => undefined);
  if (!found) throw new DataError(`${root}: no such folder.`, { code: 'DATA_NOT_FOUND' });
  if (!found.isDirectory()) throw new DataError(`${root}: not a folder.`, { code: 'DATA_NOT_FOUND' });
  const realRoot = await realpath(root);
  const paths: string[] = [];
  const empty: string[] = [];
  const twice: string[] = [];
  const skippedLinks: string[] = [];
  const others = createSkippedFiles();
  const seen = new Set<string>();

  const badLink = (error: DataError): undefined => {
    if (!skipBad) throw new DataError(`${error.message} ${skipBadHint}`, { code: error.code, cause: error });
    skippedLinks.push(error.message);
  };
  /** What a link leads to; undefined if it is skipped. */
  const target = (path: string): Promise<BigIntStats | undefined> =>
    follow(path).catch((error: unknown) => {
      if (error instanceof DataError) return badLink(error);
      throw error;
    });

  /**
   * `relative` is empty or ends with '/'. `around` are the folders that contain it; `link` is the last link in the path
   * to it.
   */
  const walk = async (relative: string, identity: string, around: readonly Folder[], link?: string): Promise<void> => {
    const folder = join(root, relative);
    if (around.length > limits.maxDepth) {
      throw limitError(`${folder}: ${around.length} folders within each other`, limits.maxDepth, 'maxDepth');
    }
    seen.add(identity);
    const inside = [...around, { path: folder, identity }];
    const { images, folders, links } = await readFolder(folder, others);
    const targets = await mapConcurrent(links, CONCURRENT, (name) => target(join(folder, name)));
    const linkedFolders = new Set(links.filter((_, i) => targets[i]?.isDirectory()));
    for (const [i, name] of links.entries()) {
      if (targets[i] === undefined) continue;
      if (linkedFolders.has(name)) folders.push(name);
      else if (targets[i].isFile() && isImage(name)) images.push(name);
      else others.add(name);
    }
    images.sort(compareCodeUnits);
    folders.sort(compareCodeUnits);
    checkLimit(`${root}: images`, paths.length + images.length, limits, 'maxImages');
    let next = 0;
    for (const name of folders) {
      while (next < images.length && compareCodeUnits(images[next]!, name) < 0) paths.push(relative + images[next++]!);
      const path = join(folder, name);
      const identityInside = identityOf(await follow(path));
      const outer = inside.find((one) => one.identity === identityInside);
      const lastLink = linkedFolders.has(name) ? path : link;
      if (outer) {
        const error = new DataError(`${lastLink ?? path} leads back to ${outer.path}. Remove the link.`);
        // Skipping a folder below the link would keep the rest of what the link leads to.
        if (lastLink !== path) throw error;
        badLink(error);
        continue;
      }
      // A link to a folder of the dataset may precede that folder.
      if (seen.has(identityInside) || (linkedFolders.has(name) && isWithin(realRoot, await realpath(path)))) {
        twice.push(path);
        continue;
      }
      const [imagesBefore, emptyBefore] = [paths.length, empty.length];
      await walk(`${relative}${name}/`, identityInside, inside, lastLink);
      if (paths.length === imagesBefore) {
        empty.length = emptyBefore;
        empty.push(path);
      }
    }
    while (next < images.length) paths.push(relative + images[next++]!);
  };
  await walk('', identityOf(found), []);
  if (paths.length === 0) {
    const links = skippedLinks.length === 0 ? '' : ` Links skipped: ${skippedLinks.length}, such as ${skippedLinks[0]}`;
    throw new DataError(
      `${root}: no images in it (looked for ${imageExtensions.join(', ')}, including subfolders).${links}`,
      { code: 'DATA_EMPTY' },
    );
  }
  const lead = twice.length === 1 ? 'link leads' : 'links lead';
  const twiceNotes =
    twice.length === 0 ? [] : [`${twice.length} ${lead} to folders that are already included, such as ${twice[0]}.`];
  return {
    paths,
    notes: [...others.notes(empty), ...twiceNotes],
    skippedLinks: skippedLinks.toSorted(compareCodeUnits),
  };
}

interface Folder {
  readonly path: string;
  readonly identity: string;
}

interface Entries {
  readonly images: string[];
  readonly folders: string[];
  readonly links: string[];
}

/** The names in a folder, by kind. */
async function readFolder(folder: string, others: SkippedFiles): Promise<Entries> {
  const entries: Entries = { images: [], folders: [], links: [] };
  try {
    for await (const entry of await opendir(folder, { bufferSize: READ_AHEAD })) {
      const { name } = entry;
      if (name.startsWith('.') || name === LABEL_FILE) continue;
      if (entry.isSymbolicLink()) entries.links.push(name);
      else if (entry.isDirectory()) entries.folders.push(name);
      else if (entry.isFile() && isImage(name)) entries.images.push(name);
      else others.add(name);
    }
  } catch (cause) {
    throw fileError(folder, cause);
  }
  return entries;
}

function isImage(name: string): boolean {
  return imageExtensions.includes(extname(name).toLowerCase());
}

async function follow(path: string): Promise<BigIntStats> {
  return stat(path, { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'ELOOP' ? 'a link that points to itself' : 'a broken link';
    throw new DataError(`${path}: ${why}. Fix or remove it.`, { code: 'DATA_NOT_FOUND', cause });
  });
}

/** Identifies a folder independently of its path. */
function identityOf({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function isWithin(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
