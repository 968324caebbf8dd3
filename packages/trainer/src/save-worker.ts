/** The thread that writes checkpoints while training goes on: a job in, its outcome out. Built as a file of its own. */
import { parentPort } from 'node:worker_threads';
import { performSave, type SaveJob } from './save-job.js';

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads, not a window
parentPort!.on('message', (job: SaveJob) => parentPort!.postMessage(performSave(job)));
