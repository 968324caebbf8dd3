// Measures the exchange of gradients between ranks in shared memory, and between two hosts if this machine can create
// them, and compares it with the model of a ring. Writes results/mpi.json and the tables of docs/several-machines.md.
//
//   nx run bench:mpi                                            all
//   nx run bench:mpi -- --fabrics shared --parameters 6500000   some of it; the results file keeps the rest
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createHosts, hostLaunchers, missingForHosts, payloadFraction } from './hosts.mjs';
import { localLaunchers, machine, round } from './mpi-machine.mjs';
import { writeMpiTables } from './mpi-tables.mjs';
import { ringSeconds } from './ring-model.mjs';
import { quantile } from './summary.mjs';

const { values } = parseArgs({
  options: {
    /** `shared` memory, and cables of `1gbit` and `2.5gbit`. */
    fabrics: { type: 'string', default: 'shared,1gbit,2.5gbit' },
    /** Lengths of the gradient vector. */
    parameters: { type: 'string', default: '6500000,130000000' },
    ranks: { type: 'string', default: '2,4' },
    repeats: { type: 'string', default: '5' },
    /** Writes no file. */
    'dry-run': { type: 'boolean', default: false },
  },
});
const fabrics = values.fabrics.split(',');
const unknown = fabrics.filter((name) => !/^(shared|[0-9.]+gbit)$/.test(name));
if (unknown.length > 0) throw new RangeError(`--fabrics: ${unknown.join()} is neither shared nor a rate such as 1gbit`);
/** @param {'parameters' | 'ranks' | 'repeats'} name @param {number} least */
function numbers(name, least) {
  const list = values[name].split(',').map(Number);
  if (list.every((value) => Number.isSafeInteger(value) && value >= least)) return list;
  throw new RangeError(`--${name} must be integers of at least ${least}, got ${values[name]}`);
}
const [lengths, sizes, [repeats]] = [numbers('parameters', 1), numbers('ranks', 2), numbers('repeats', 1)];

/** The rate and the latency of shared memory are taken from these: a single number, and a vector larger than the caches. */
const calibration = [1, 2 ** 26];

/** @typedef {import('./mpi-tables.mjs').ExchangeResult} ExchangeResult */
/** @typedef {{ library: string, timings: [number, number[]][] }} Output */

const program = fileURLToPath(new URL('exchange-rank.mjs', import.meta.url));
const programArgs = [program, '--parameters', [...calibration, ...lengths].join(), '--repeats', String(repeats)];

/**
 * @param {string} fabric
 * @param {number} ranks
 * @param {string} out the output of rank 0
 * @param {(latency: number, long: number) => { rate: number, latency: number }} parametersOf from the median seconds of
 *   the two calibrations
 * @param {number[]} [sentBytes] by each host, in all
 * @returns {ExchangeResult[]}
 */
function resultsOf(fabric, ranks, out, parametersOf, sentBytes) {
  const { library, timings } = /** @type {Output} */ (JSON.parse(out));
  const median = (/** @type {number[]} */ seconds) => quantile(seconds, 0.5);
  const [one, long] = timings.slice(0, calibration.length).map(([, seconds]) => median(seconds));
  const { rate, latency } = parametersOf(one / (2 * (ranks - 1)), long);
  // Each once more, before its repeats.
  const total = timings.reduce((sum, [parameters, { length }]) => sum + parameters * (length + 1), 0);
  return timings.slice(calibration.length).map(([parameters, seconds]) => ({
    fabric,
    library,
    ranks,
    parameters,
    medianSeconds: round(median(seconds)),
    minSeconds: round(Math.min(...seconds)),
    maxSeconds: round(Math.max(...seconds)),
    modelSeconds: round(ringSeconds({ rate, latency }, ranks, parameters)),
    rate: round(rate),
    latency: round(latency),
    ...(sentBytes && { sentBytes: round(Math.max(...sentBytes) / total) }),
    ...run(),
  }));
}

/** How it was measured. */
const run = () => ({
  repeats,
  ...machine(),
});

/** @returns {ExchangeResult[]} */
function inSharedMemory() {
  return localLaunchers()
    .flatMap(({ name, command, args }) =>
      sizes.map((ranks) => {
        console.log(`shared memory, ${name}, ${ranks} ranks ...`);
        const { status, stdout, stderr } = spawnSync(
          command,
          [...args, '-n', String(ranks), process.execPath, ...programArgs],
          {
            encoding: 'utf8',
            env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1' },
          },
        );
        if (status !== 0) throw new Error(`${command} failed: ${stderr}`);
        return resultsOf('shared', ranks, stdout, (latency, long) => {
          const bytes = ((2 * (ranks - 1)) / ranks) * 4 * calibration[1];
          return { latency, rate: bytes / (long - 2 * (ranks - 1) * latency) };
        });
      }),
    )
    .flat();
}

/** @param {number} gbits @returns {Promise<ExchangeResult[]>} */
async function betweenHosts(gbits) {
  const results = [];
  for (const launcher of hostLaunchers()) {
    console.log(`cable of ${gbits} Gbit/s, ${launcher.name} ...`);
    const pair = await createHosts({ gbits });
    try {
      const { code, out, error } = await pair.run(launcher, programArgs);
      if (code !== 0) throw new Error(`${launcher.program} failed: ${error}`);
      // The cable's rate is known: only the latency is measured.
      const rate = ((gbits * 1e9) / 8) * payloadFraction;
      results.push(...resultsOf(`${gbits}gbit`, 2, out, (latency) => ({ rate, latency }), pair.sentBytes()));
    } finally {
      pair.remove();
    }
  }
  return results;
}

if (localLaunchers().length === 0) throw new Error('There is no MPI (Debian: openmpi-bin, mpich).');
/** @type {ExchangeResult[]} */
const fresh = [];
for (const fabric of fabrics) {
  const missing = fabric === 'shared' ? undefined : missingForHosts();
  if (missing !== undefined) console.log(`skipped: ${fabric}, since two hosts need ${missing}`);
  else fresh.push(...(fabric === 'shared' ? inSharedMemory() : await betweenHosts(Number(fabric.replace('gbit', '')))));
}

/** Of the rows. */
const order = ['shared', '1gbit', '2.5gbit'];
const file = new URL('results/mpi.json', import.meta.url);
const keyOf = (/** @type {ExchangeResult} */ { fabric, library, ranks, parameters }) =>
  [fabric, library.split(' ')[0], ranks, parameters].join();
/** @type {ExchangeResult[]} */
const old = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
const all = [...new Map([...old, ...fresh].map((result) => [keyOf(result), result])).values()].toSorted(
  (a, b) => order.indexOf(a.fabric) - order.indexOf(b.fabric) || a.ranks - b.ranks || a.parameters - b.parameters,
);
if (!values['dry-run']) writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
console.log(writeMpiTables(values['dry-run'] ? fresh : all, { dryRun: values['dry-run'] }));
