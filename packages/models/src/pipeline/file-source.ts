/** The files of a folder: on disk, on a server, or from any other place. */
import { FileError } from '@dm/files';
import type * as files from '@dm/files';

/** Reads the files of a folder. */
export interface FileSource {
  /** The folder's name, for messages. */
  readonly name: string;
  /**
   * The content of a file by its path in the folder, such as `unet/config.json`; undefined if it does not exist.
   * @throws {FileError} `FILE_TOO_LARGE` if it has more than `maxBytes` bytes, or another code if it cannot be read
   */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /**
   * Names of the files in a folder of the source; '' is the source itself. Without this function, weights are found only
   * under their default name, not as a variant such as `fp16`.
   */
  list?(folder: string): Promise<readonly string[]>;
}

/** A folder on disk. Node only. */
export async function folderSource(folder: string): Promise<FileSource> {
  const module = '@dm/files'; // a variable, so that bundlers for browsers do not resolve the import
  const { fileKind, listFolder, readRegularFileAsync } = (await import(
    /* @vite-ignore */ /* webpackIgnore: true */ module
  )) as typeof files;
  const at = (path: string) => (path === '' ? folder : `${folder}/${path}`);
  return {
    name: folder,
    async read(path, maxBytes) {
      if (fileKind(at(path)) === undefined) return undefined;
      return readRegularFileAsync(at(path), { maxBytes });
    },
    // oxlint-disable-next-line typescript/require-await -- an error rejects the promise
    async list(path) {
      return fileKind(at(path)) === 'folder' ? listFolder(at(path)).map(({ name }) => name) : [];
    },
  };
}

/**
 * A folder on a server, read with `fetch`. A query in the URL, such as an access token, is sent with each file.
 * @throws {RangeError} if it is not a URL, or not one of http or https
 */
export function urlSource(url: string | URL): FileSource {
  const base = new URL(url);
  if (base.protocol !== 'http:' && base.protocol !== 'https:') {
    throw new RangeError(`fromPretrained: the URL must begin with http: or https:, got ${base.protocol}`);
  }
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  const { origin, pathname, search } = base;
  return {
    name: `${origin}${pathname.slice(0, -1)}`,
    async read(path, maxBytes) {
      const file = `${origin}${pathname}${path.split('/').map(encodeURIComponent).join('/')}`;
      const response = await responseOf(file, search);
      if (response === undefined) return undefined;
      return bodyOf(response, file, maxBytes);
    },
  };
}

/** The response for a file; undefined if the server has no such file. */
async function responseOf(file: string, search: string): Promise<Response | undefined> {
  let response: Response;
  try {
    response = await fetch(file + search);
  } catch (error) {
    throw unfetched(file, messageOf(error), error);
  }
  // Some servers answer with their start page instead of 404.
  const isPage = response.headers.get('Content-Type')?.startsWith('text/html') === true;
  if (response.ok && !isPage) return response;
  await response.body?.cancel();
  if (response.ok || response.status === 404 || response.status === 410) return undefined;
  throw unfetched(file, `the server answered ${response.status}`);
}

/** The bytes of a response. What the server says about their number is not trusted. */
async function bodyOf(response: Response, file: string, maxBytes: number): Promise<Uint8Array> {
  const { body } = response;
  if (body === null) return new Uint8Array(0);
  const reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
  const chunks: Uint8Array[] = [];
  let length = Number(response.headers.get('Content-Length')) > maxBytes ? Infinity : 0;
  while (length <= maxBytes) {
    // oxlint-disable-next-line no-await-in-loop -- chunks come in turn
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw unfetched(file, messageOf(error), error);
    });
    if (done) break;
    length += value.length;
    chunks.push(value);
  }
  if (length > maxBytes) {
    await reader.cancel();
    throw new FileError(file, `has more than ${maxBytes} bytes.`, { code: 'FILE_TOO_LARGE' });
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * The source that a string, URL, or source is: http(s) URLs are fetched; other strings are folders on disk in Node, and
 * URLs relative to the page or worker in a browser.
 */
export async function openSource(place: string | URL | FileSource): Promise<FileSource> {
  if (typeof place === 'object' && !(place instanceof URL)) return place;
  if (place instanceof URL || /^https?:/i.test(place)) return urlSource(place);
  const page = (globalThis as { readonly location?: { readonly href: string } }).location;
  return page === undefined ? folderSource(place) : urlSource(new URL(place, page.href));
}

function unfetched(file: string, reason: string, cause?: unknown): FileError {
  return new FileError(file, `could not be fetched (${reason}).`, { code: 'FILE_UNREADABLE', cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
