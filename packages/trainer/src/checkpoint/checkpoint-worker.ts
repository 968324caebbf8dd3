/** Worker thread that writes checkpoints during training: receives jobs and sends back their outcomes. Built separately. */
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { transferListOf, runCheckpointJob, type CheckpointJobResult, type CheckpointJob } from './checkpoint-job.js';

// The engine's threads have precedence, but only slightly: at the lowest priority, a save on a busy machine made no
// progress and blocked training. On Linux, id 0 sets the priority of the calling thread; on other systems it would affect
// the whole process.
if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);

parentPort!.on('message', (job: CheckpointJob) => {
  const done: CheckpointJobResult = { outcome: runCheckpointJob(job), state: job.state };
  parentPort!.postMessage(done, transferListOf(job.state));
});
