// Kills a training 200 times and says what came of it: `nx run kill-test:kill`. `--verbose` names each kill.
import { parseArgs } from 'node:util';
import { killTest } from './kill-test.mjs';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    /** Of the moments; a new one each time, printed. */
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    engine: { type: 'string', default: 'onnx' },
    /** Of a run; where one is over the next begins. */
    steps: { type: 'string', default: '5000' },
    /** Steps between checkpoints. */
    interval: { type: 'string', default: '50' },
    verbose: { type: 'boolean', default: false },
  },
});
console.log(`seed ${values.seed}, engine ${values.engine}, a checkpoint every ${values.interval} steps`);
const outcome = await killTest({
  kills: Number(values.kills),
  seed: Number(values.seed),
  engine: values.engine,
  steps: Number(values.steps),
  interval: Number(values.interval),
  onKill: (line) => {
    if (values.verbose) console.log(line);
  },
});
console.log(
  `${outcome.kills} kills with SIGKILL, ${outcome.duringSave} of them during a save, ${outcome.beforeFirst} before the ` +
    `first checkpoint was there\n` +
    `the newest checkpoint loaded after each; ${outcome.resumed} sessions were seen to begin at it, the others died before\n` +
    `lost: at most ${outcome.lost} steps; a checkpoint was due every ${values.interval}\n` +
    `${outcome.runs} runs came to their end: metrics.jsonl has the steps 1 to ${outcome.steps} once each; it and the ` +
    `last checkpoint are those of an unbroken run`,
);
