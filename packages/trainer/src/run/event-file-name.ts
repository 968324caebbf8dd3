/** Whether this is the name of an event file of a run (see logs/event-file.ts), rather than of another program. */
export function isOwnEventFile(name: string): boolean {
  return /^events\.out\.tfevents\.\d+\.dm\.\d+\.0$/.test(name);
}
