/** A file that is appended to while a run trains, on a disk that may refuse. */
import { closeSync, fstatSync, ftruncateSync, writeFileSync } from 'node:fs';
import { openForAppend, writeError } from '@dm/files';
import type { Unwritten } from './unwritten.js';

/** Bytes of records that wait for the disk to accept them, at most. */
const maxWaitingBytes = 2 ** 24;

interface Entry {
  readonly part: string;
  readonly data: Uint8Array;
}

/**
 * Appends whole records, not waiting for the disk. One that is refused waits, with all after it, for the next to be
 * appended; half a record is cut off again, since readers would stumble over it.
 */
export class LogFile {
  private waiting: Entry[] = [];
  /** Bytes of whole records in the file, once it was opened. */
  private size: number | undefined;

  /** `name`: how a person calls the file at `path`. */
  constructor(
    readonly path: string,
    private readonly name: string,
    private readonly unwritten: Unwritten,
  ) {}

  /** Appends a record; `part` names it should it never be written, such as `step 20`. */
  append(part: string, data: Uint8Array | string): void {
    this.waiting.push({ part, data: typeof data === 'string' ? Buffer.from(data) : data });
    if (this.flush()) return;
    let bytes = this.waiting.reduce((sum, entry) => sum + entry.data.length, 0);
    while (bytes > maxWaitingBytes) {
      const dropped = this.waiting.shift()!;
      bytes -= dropped.data.length;
      this.unwritten.add(this.name, dropped.part);
    }
  }

  /** Tries what still waits once more; what the disk refuses then is unwritten for good. */
  finish(): void {
    if (this.waiting.length === 0 || this.flush()) return;
    for (const { part } of this.waiting) this.unwritten.add(this.name, part);
    this.waiting = [];
  }

  /** Whether all that waited is written. */
  private flush(): boolean {
    try {
      const fd = openForAppend(this.path);
      try {
        this.writeTo(fd);
      } finally {
        closeSync(fd);
      }
      return true;
    } catch (error) {
      this.unwritten.warn(this.name, writeError(this.path, error));
      return false;
    }
  }

  private writeTo(fd: number): void {
    const { size } = fstatSync(fd);
    if (this.size === undefined) this.size = size;
    // Half of the record that the disk refused before.
    else if (size > this.size) ftruncateSync(fd, this.size);
    while (this.waiting.length > 0) {
      const { data } = this.waiting[0]!;
      // One call for a whole record: a kill leaves all of it or an unfinished last one.
      writeFileSync(fd, data);
      this.size += data.length;
      this.waiting.shift();
    }
  }
}
