/** `dm doctor`: runs a test on every engine to find out which ones work on this machine. */
import { dmCommand } from '@dm/files';
import { devices, findRuntimeLibrary, type Device, type RuntimeLibrary } from '@dm/jit';
import { Command } from 'commander';
import { engineNames } from '../config/names.js';
import { environment } from '../machine/environment.js';
import { checkEngine, type EngineReport } from '../setup/check-engine.js';
import { print, printJson } from '../terminal/output.js';
import { withCommonOptions, type CommonFlags } from './common.js';

export function doctorCommand(): Command {
  return withCommonOptions(new Command('doctor'))
    .description('Check which engines work on this machine by running each one, and report why the others fail.')
    .action(run);
}

async function run(flags: CommonFlags): Promise<void> {
  const machine = environment();
  // If there is none, the report of the onnx engine gives the reason.
  const library = await findRuntimeLibrary().catch(() => null);
  if (flags.json !== true) {
    for (const [key, value] of Object.entries(machine)) print(`${key.padEnd(12)} ${value}`);
    print(`${'onnxruntime'.padEnd(12)} ${library === null ? 'none' : describeLibrary(library)}`);
    print('');
  }
  const reports: EngineReport[] = [];
  for (const [name, device] of contenders) {
    const report = await checkEngine(name, device);
    reports.push(report);
    if (flags.json !== true) print(`${(device === 'cpu' ? name : `${name} ${device}`).padEnd(14)} ${describe(report)}`);
  }
  const [preferred] = reports;
  if (flags.json === true) printJson({ event: 'doctor', environment: machine, library, engines: reports });
  else if (preferred!.works) print(['', `Training uses ${preferred!.name}. Next: ${dmCommand(['train'])}`]);
  if (!preferred!.works)
    throw new Error(`The default engine, ${preferred!.name}, does not work on this machine; see above.`);
}

/** Every engine, and the default engine once per device. */
const contenders = engineNames.flatMap((name): (readonly [engine: string, device: Device])[] =>
  (name === 'onnx' ? devices : (['cpu'] as const)).map((device) => [name, device]),
);

function describeLibrary(library: RuntimeLibrary): string {
  return `${library.package} ${library.version}, ${library.path}`;
}

function describe(report: EngineReport): string {
  if (!report.works) return `no   ${report.reason}`;
  const info = Object.entries(report.info).map(([key, value]) => `${key} ${value}`);
  return `yes  ${info.join(', ')}`;
}
