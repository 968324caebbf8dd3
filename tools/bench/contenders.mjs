/** The contenders of the benchmark. Each is a separate program that reads its task from standard input. */
import { join } from 'node:path';

const { env, execPath } = process;
const python = env['DM_PYTHON'] ?? 'python3';
const minutes = 60;
const verbs = { training: 'train', sampling: 'sample' };

/** @typedef {import('./cases.mjs').Case} Case */

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {(kind: Case['kind']) => string[]} command Program and arguments for a kind of case, relative to this
 * folder.
 * @property {Record<string, unknown>} request Its input in addition to the case and the repetitions.
 * @property {number} seconds Time limit; if exceeded, it is killed and reported as skipped.
 * @property {true} [once] Runs in a single process, in the first round, with the steps of all rounds; for slow
 * starters.
 * @property {(benchCase: Case) => string | undefined} [unfit] The reason for skipping a case.
 */

/**
 * @param {string} name
 * @param {string} engine
 * @param {string} [folder] The folder of the benchmark.
 * @returns {Contender}
 */
const ours = (name, engine, folder = '.') => ({
  name,
  command: (kind) => [execPath, join(folder, 'contenders', `${verbs[kind]}.mjs`)],
  request: { engine },
  seconds: 10 * minutes,
});

/**
 * @param {string} name
 * @param {Record<string, unknown>} request
 * @param {Contender['unfit']} [unfit]
 * @returns {Contender}
 */
const torch = (name, request, unfit) => ({
  name,
  command: (kind) => [python, `contenders/torch_${verbs[kind]}.py`],
  request: { layout: 'contiguous', compile: false, ...request },
  seconds: 10 * minutes,
  ...(unfit && { unfit }),
});

/** @type {Contender['unfit']} */
const tooLarge = ({ small }) => (small ? undefined : 'too slow for this case');

/** @type {readonly Contender[]} Our engine first, then those it is compared with. */
export const contenders = [
  ours('dm', 'onnx'),
  torch('pytorch-eager-contiguous', {}),
  torch('pytorch-eager-channels-last', { layout: 'channels-last' }, ({ model }) =>
    model === 'DiT' ? 'a transformer has no image tensors between its patch embedding and its output' : undefined,
  ),
  {
    ...torch('pytorch-compile', { compile: true }, (benchCase) =>
      benchCase.compile ? undefined : 'compiling takes more than a minute; runs on some cases only',
    ),
    once: true,
    seconds: 5 * minutes,
  },
  { ...ours('tfjs-node', 'tfjs-node'), once: true },
  { ...ours('tfjs-wasm', 'tfjs-wasm'), once: true, unfit: tooLarge },
  { ...ours('tfjs-cpu', 'tfjs-cpu'), once: true, unfit: tooLarge },
];

/**
 * Our engine at another commit.
 *
 * @param {string} checkout A built checkout of that commit.
 */
export const before = (checkout) => ours('dm-before', 'onnx', join(checkout, 'tools/bench'));

/**
 * The environment of every contender, which sets the number of threads.
 *
 * @param {number} threads
 */
export const environment = (threads) => ({
  ...env,
  OMP_NUM_THREADS: String(threads),
  TF_NUM_INTRAOP_THREADS: String(threads),
  TF_CPP_MIN_LOG_LEVEL: '2', // silences libtensorflow's startup messages
});
