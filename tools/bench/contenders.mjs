/** Who runs in a bench: a program of its own each, told what to do on its standard input. */

const { env, execPath } = process;
const python = env['DM_PYTHON'] ?? 'python3';
const minutes = 60;

/**
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} program What runs `contenders/<program>_train.py` and its kin.
 * @property {Record<string, unknown>} request What it is told besides the case and the pace.
 * @property {number} seconds It is ended, and named as skipped, when it takes longer than this.
 * @property {(benchCase: import('./cases.mjs').Case) => string | undefined} [unfit] Why it does not run a case.
 */

/** @param {string} name @param {string} engine @param {Contender['unfit']} [unfit] @returns {Contender} */
const ours = (name, engine, unfit) => ({
  name,
  program: 'javascript',
  request: { engine },
  seconds: 10 * minutes,
  ...(unfit && { unfit }),
});

/** @param {string} name @param {Record<string, unknown>} request @param {Contender['unfit']} [unfit] @returns {Contender} */
const torch = (name, request, unfit) => ({
  name,
  program: 'python',
  request: { layout: 'contiguous', compile: false, ...request },
  seconds: (request['compile'] ? 4 : 10) * minutes,
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
  torch('pytorch-compile', { compile: true }),
  ours('tfjs-node', 'tfjs-node'),
  ours('tfjs-wasm', 'wasm', tooLarge),
  ours('tfjs-cpu', 'cpu', tooLarge),
];

/**
 * Program and arguments of a contender for a kind of case, from this folder.
 *
 * @param {Contender} contender
 * @param {import('./cases.mjs').Case['kind']} kind
 */
export function commandOf({ program }, kind) {
  const verb = kind === 'training' ? 'train' : 'sample';
  return program === 'python' ? [python, `contenders/torch_${verb}.py`] : [execPath, `contenders/${verb}.mjs`];
}

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
