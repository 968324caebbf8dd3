/** One TensorBoard event file per session, in the run folder. */
import { listFolder } from '@dm/files';
import { join } from 'node:path';
import type { Unwritten } from '../files/unwritten.js';
import { encodeEvent, type Event, type SummaryValue } from './event.js';
import { LogFile } from '../files/log-file.js';
import { frameRecord } from './tfrecord.js';

export interface EventFile {
  readonly path: string;
  add(step: number, summary: readonly SummaryValue[]): void;
  /** Retries failed writes once. */
  finish(): void;
}

const eventFileName = /^events\.out\.tfevents\.(\d+)\./;

/**
 * Creates a file for the steps after `firstStep`. Readers discard what the files of earlier sessions contain for those
 * steps; a record cut short by a kill ends such a file, and readers continue with the next. The file's name sorts after
 * earlier ones whatever the clock says, since TensorBoard reads files in order of name. It contains `dm` instead of the
 * host name, for privacy.
 */
export function createEventFile(folder: string, firstStep: number, unwritten: Unwritten): EventFile {
  const earlier = listFolder(folder).flatMap(({ name }) => Number(eventFileName.exec(name)?.[1] ?? []));
  const seconds = Math.max(Math.floor(Date.now() / 1000), ...earlier.map((s) => s + 1));
  const path = join(folder, `events.out.tfevents.${String(seconds).padStart(10, '0')}.dm.${process.pid}.0`);
  const file = new LogFile(path, 'the TensorBoard event file', unwritten);
  const write = (part: string, event: Omit<Event, 'wallTime'>) =>
    file.append(part, frameRecord(encodeEvent({ wallTime: Date.now() / 1000, ...event })));
  write('its header', { fileVersion: 'brain.Event:2' });
  if (earlier.length > 0) write('its header', { step: firstStep + 1, sessionStart: true });
  return {
    path,
    add: (step, summary) => write(`step ${step}`, { step, summary }),
    finish: () => file.finish(),
  };
}
