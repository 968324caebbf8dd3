/**
 * A process that acquires a lock on request, for the tests of the lock: `take <folder>` in, `owner` or `refused`
 * out; `release` in, `released` out.
 */
import { acquireLock, type Lock } from '../run/lock.js';

let lock: Lock | undefined;
process.on('message', (message: { readonly take?: string; readonly at?: number }) => {
  if (message.take === undefined) {
    lock?.release();
    lock = undefined;
    process.send!('released');
    return;
  }
  while (Date.now() < message.at!); // all at once
  try {
    lock = acquireLock(message.take);
    process.send!('owner');
  } catch (error) {
    process.send!((error as { readonly code?: string }).code ?? String(error));
  }
});
process.send!('ready');
