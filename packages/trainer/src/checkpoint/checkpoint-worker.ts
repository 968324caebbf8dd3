/** The thread that writes checkpoints while training goes on: a job in, its outcome out. Built as a file of its own. */
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { transferListOf, runCheckpointJob, type CheckpointJobResult, type CheckpointJob } from './checkpoint-job.js';

// The engine's threads come first, but not without end: at the lowest priority a save on a busy machine stood still, and
// training with it. Linux has a priority for each thread, and 0 means the calling one; elsewhere it is that of the whole
// process, which is left alone.
if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);

parentPort!.on('message', (job: CheckpointJob) => {
  const done: CheckpointJobResult = { outcome: runCheckpointJob(job), state: job.state };
  parentPort!.postMessage(done, transferListOf(job.state));
});
