/** Who runs in a bench: a program of its own each, told what to do on its standard input. */
import { join } from 'node:path';

const { env, execPath } = process;
const python = env['DM_PYTHON'] ?? 'python3';
const minutes = 60;
const verbs = { training: 'train', sampling: 'sample' };

/** @typedef {import('./cases.mjs').Case} Case */

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {(kind: Case['kind']) => string[]} command Program and arguments for a kind of case, from this folder.
 * @property {Record<string, unknown>} request What it is told besides the case and the pace.
 * @property {number} seconds It is ended, and named as skipped, when it takes longer than this.
 * @property {true} [once] One process, in the first round, with the steps of all: for those that take long.
 * @property {(benchCase: Case) => string | undefined} [unfit] Why it does not run a case.
 */

/** @param {string} name @param {string} engine @param {string} [folder] of the benches @returns {Contender} */
const ours = (name, engine, folder = '.') => ({
  name,
  command: (kind) => [execPath, join(folder, 'contenders', `${verbs[kind]}.mjs`)],
  request: { engine },
  seconds: 10 * minutes,
});

/** @param {string} name @param {Record<string, unknown>} request @param {Contender['unfit']} [unfit] @returns {Contender} */
const torch = (name, request, unfit) => ({
  name,
  command: (kind) => [python, `contenders/torch_${verbs[kind]}.py`],
  request: { layout: 'contiguous', compile: false, ...request },
  seconds: 10 * minutes,
  ...(unfit && { unfit }),
});

/** @type {Contender['unfit']} */
const tooLarge = ({ small }) => (small ? undefined : 'too slow for this case');

/** @type {readonly Contender[]} The first is ours; the others are its rivals. */
export const contenders = [
  ours('dm', 'onnx'),
  torch('pytorch-eager-contiguous', {}),
  torch('pytorch-eager-channels-last', { layout: 'channels-last' }, ({ model }) =>
    model === 'DiT' ? 'a transformer has no image layout between its ends' : undefined,
  ),
  {
    ...torch('pytorch-compile', { compile: true }, (benchCase) =>
      benchCase.compile ? undefined : 'compiling takes a minute or more: only for some cases',
    ),
    once: true,
    seconds: 5 * minutes,
  },
  { ...ours('tfjs-node', 'tfjs-node'), once: true },
  { ...ours('tfjs-wasm', 'tfjs-wasm'), once: true, unfit: tooLarge },
  { ...ours('tfjs-cpu', 'tfjs-cpu'), once: true, unfit: tooLarge },
];

/**
 * Our engine as another commit has it.
 *
 * @param {string} checkout A checkout of that commit, built.
 */
export const before = (checkout) => ours('dm-before', 'onnx', join(checkout, 'tools/bench'));

/**
 * What all have in their environment: the same number of threads.
 *
 * @param {number} threads
 */
export const environment = (threads) => ({
  ...env,
  OMP_NUM_THREADS: String(threads),
  TF_NUM_INTRAOP_THREADS: String(threads),
  TF_CPP_MIN_LOG_LEVEL: '2', // libtensorflow's notes at start
});
