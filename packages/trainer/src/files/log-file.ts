/** An append-only log file that tolerates write errors. */
import { closeSync, fstatSync, ftruncateSync, writeFileSync } from 'node:fs';
import { openForAppend, writeError } from '@dm/files';
import type { Unwritten } from './unwritten.js';

/** Largest total size of records that wait to be written, in bytes. */
const maxWaitingBytes = 2 ** 24;

interface Entry {
  readonly part: string;
  readonly data: Uint8Array;
}

/**
 * Appends whole records without syncing. If a write fails, the record and all later ones wait until the next append.
 * Partially written records are truncated, since readers would fail on them.
 */
export class LogFile {
  private waiting: Entry[] = [];
  /** Size of the whole records in the file, in bytes; set when it is opened. */
  private size: number | undefined;

  /** `name` is the name of the file at `path` in messages. */
  constructor(
    readonly path: string,
    private readonly name: string,
    private readonly unwritten: Unwritten,
  ) {}

  /** Appends a record; `part`, such as `step 20`, names it in messages if it cannot be written. */
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

  /** Retries waiting records once; those that fail again are reported as unwritten. */
  finish(): void {
    if (this.waiting.length === 0 || this.flush()) return;
    for (const { part } of this.waiting) this.unwritten.add(this.name, part);
    this.waiting = [];
  }

  /** Writes waiting records; returns whether all were written. */
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
    // Part of a record whose write failed.
    else if (size > this.size) ftruncateSync(fd, this.size);
    while (this.waiting.length > 0) {
      const { data } = this.waiting[0]!;
      // One call per record, so that a kill leaves at most one incomplete record, at the end.
      writeFileSync(fd, data);
      this.size += data.length;
      this.waiting.shift();
    }
  }
}
