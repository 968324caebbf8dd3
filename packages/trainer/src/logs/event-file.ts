/** One TensorBoard event file a session, in the folder of the run. */
import { listFolder, removeTree } from '@dm/files';
import { join } from 'node:path';
import type { Unwritten } from '../files/unwritten.js';
import { encodeEvent, type Event, type SummaryValue } from './event.js';
import { LogFile } from '../files/log-file.js';
import { frameRecord } from './tfrecord.js';

export interface EventFile {
  readonly path: string;
  add(step: number, summary: readonly SummaryValue[]): void;
  /** Tries once more what the disk has refused. */
  finish(): void;
}

const eventFileName = /^events\.out\.tfevents\.(\d+)\./;

/**
 * Begins a file for the steps after `firstStep`. A reader forgets what the files of earlier sessions say of those steps;
 * a record that a kill left unfinished ends such a file, and readers go on with the next. The file's name sorts after
 * theirs, whatever the clock says: TensorBoard reads files by name. In the place of the host's name, which is nobody else's business, it has `dm`.
 */
export function createEventFile(folder: string, firstStep: number, unwritten: Unwritten): EventFile {
  const earlier = listFolder(folder).flatMap(({ name }) => Number(eventFileName.exec(name)?.[1] ?? []));
  const seconds = Math.max(Math.floor(Date.now() / 1000), ...earlier.map((s) => s + 1));
  const path = join(folder, `events.out.tfevents.${String(seconds).padStart(10, '0')}.dm.${process.pid}.0`);
  const file = new LogFile(path, "TensorBoard's event file", unwritten);
  const write = (part: string, event: Omit<Event, 'wallTime'>) =>
    file.append(part, frameRecord(encodeEvent({ wallTime: Date.now() / 1000, ...event })));
  write('its beginning', { fileVersion: 'brain.Event:2' });
  if (earlier.length > 0) write('its beginning', { step: firstStep + 1, sessionStart: true });
  return {
    path,
    add: (step, summary) => write(`step ${step}`, { step, summary }),
    finish: () => file.finish(),
  };
}

/** Removes the event files of all sessions. */
export function removeEventFiles(folder: string): void {
  for (const { name } of listFolder(folder)) if (eventFileName.test(name)) removeTree(join(folder, name));
}
