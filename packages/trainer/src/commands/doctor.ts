/** `dm doctor`: runs a test on every engine to find out which ones work on this machine. */
import { dmCommand } from '@dm/files';
import {
  type CudaProvider,
  devices,
  findCudaProvider,
  findRuntimeLibrary,
  type Device,
  type RuntimeLibrary,
} from '@dm/jit';
import { findLauncher, findMpiLibrary, openWorld, type Launcher, type World } from '@dm/mpi';
import { Command } from 'commander';
import { engineNames } from '../config/names.js';
import { environment } from '../machine/environment.js';
import { messageOf } from '../errors.js';
import { checkEngine, type EngineReport } from '../setup/check-engine.js';
import { print, printJson } from '../terminal/output.js';
import { type CommonFlags, withCommonOptions } from './common.js';

export function doctorCommand(): Command {
  return withCommonOptions(new Command('doctor'))
    .description('Check which engines work on this machine by running each one, and report why the others fail.')
    .action(run);
}

async function run(flags: CommonFlags): Promise<void> {
  const mpi = await checkMpi();
  if (mpi.rank > 0) return; // rank 0 reports for all
  const machine = environment();
  // If there is none, the report of the onnx engine gives the reason.
  const library = await findRuntimeLibrary().catch(() => null);
  const cuda = await checkCuda();
  if (flags.json !== true) {
    for (const [key, value] of Object.entries(machine)) print(`${key.padEnd(12)} ${value}`);
    print(`${'onnxruntime'.padEnd(12)} ${library === null ? 'none' : describeLibrary(library)}`);
    if (cuda !== null) for (const line of describeCuda(cuda)) print(`${'cuda'.padEnd(12)} ${line}`);
    for (const [key, value] of Object.entries(mpi.lines)) print(`${key.padEnd(12)} ${value}`);
    print('');
  }
  const reports: EngineReport[] = [];
  for (const [name, device] of contenders) {
    const report = await checkEngine(name, device);
    reports.push(report);
    if (flags.json !== true) print(`${(device === 'cpu' ? name : `${name} ${device}`).padEnd(14)} ${describe(report)}`);
  }
  const [preferred] = reports;
  if (flags.json === true)
    printJson({ event: 'doctor', environment: machine, library, cuda, mpi: mpi.lines, engines: reports });
  else if (preferred!.works) print(['', `Training uses ${preferred!.name}. Next: ${dmCommand(['train'])}`]);
  if (!preferred!.works)
    throw new Error(`The default engine, ${preferred!.name}, does not work on this machine; see above.`);
  if (mpi.failure !== undefined) throw mpi.failure;
}

/** The CUDA provider, or why there is none; null if there is none for the platform. */
async function checkCuda(): Promise<CudaProvider | { readonly none: string } | null> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  return findCudaProvider().catch((error: unknown) => ({ none: messageOf(error) }));
}

/** Empty without a provider: the report of the device has the reason. Exported for tests. */
export function describeCuda(found: CudaProvider | { readonly none: string }): string[] {
  if ('none' in found) return [];
  const [provider, core] = [found.providerVersion, found.coreVersion].map((version) => version ?? 'of unknown version');
  return [
    `provider ${provider}, core library ${core}, ${found.path}`,
    ...found.missing.map(({ name, from, url }) => `missing ${name}: install ${from}, ${url}`),
  ];
}

/** Every engine, and the default engine once per device. */
const contenders = engineNames.flatMap((name): (readonly [engine: string, device: Device])[] =>
  (name === 'onnx' ? devices : (['cpu'] as const)).map((device) => [name, device]),
);

interface MpiReport {
  /** The rank of this process; 0 without a launcher. */
  readonly rank: number;
  readonly lines: Readonly<Record<string, string>>;
  /** The error with which the processes of a launcher do not find each other. */
  readonly failure?: unknown;
}

/** MPI on this machine. */
async function checkMpi(): Promise<MpiReport> {
  const launcher = findLauncher();
  if (launcher === undefined || launcher.size === 1) {
    const found = await findMpiLibrary(launcher).catch(messageOf);
    const text = typeof found === 'string' ? `none, so one process only (${found})` : `${found.version}, ${found.path}`;
    return { rank: 0, lines: { mpi: text } };
  }
  let world: World;
  try {
    world = await openWorld();
  } catch (failure) {
    const { rank, name, size } = launcher;
    const lines = { mpi: `does not work: ${messageOf(failure)}`, launcher: name, ranks: String(size) };
    return { rank, lines, failure };
  }
  const { rank } = world;
  const lines = await describeWorld(world, launcher);
  await world.close();
  return { rank, lines };
}

async function describeWorld(world: World, launcher: Launcher): Promise<MpiReport['lines']> {
  const { size, library, hosts } = world;
  const perHost = [...new Set(hosts)].map((host) => `${host} (${hosts.filter((other) => other === host).length})`);
  return {
    mpi: library ?? 'none',
    launcher: launcher.name,
    ranks: String(size),
    hosts: perHost.join(', '),
    'all-reduce': await measureSum(world),
  };
}

/** The gradients of a model with 6.5 million parameters: 26 MB. */
const gradientElements = 6_500_000;

/** Time and bandwidth of the fastest of three sums; in a ring, each rank sends 2 (N - 1) / N times the data. */
async function measureSum(world: World): Promise<string> {
  const array = new Float32Array(gradientElements);
  let fastest = Infinity;
  for (let i = 0; i < 3; i++) {
    await world.barrier();
    const began = performance.now();
    await world.sum(array);
    fastest = Math.min(fastest, performance.now() - began);
  }
  const sent = (2 * (world.size - 1) * array.byteLength) / world.size;
  return `${fastest.toFixed(1)} ms for 26 MB, ${(sent / fastest / 1e6).toPrecision(3)} GB/s per rank`;
}

function describeLibrary(library: RuntimeLibrary): string {
  return `${library.package} ${library.version}, ${library.path}`;
}

function describe(report: EngineReport): string {
  if (!report.works) return `no   ${report.reason}`;
  const info = Object.entries(report.info).map(([key, value]) => `${key} ${value}`);
  return `yes  ${info.join(', ')}`;
}
