/** `dm doctor`: what works on this machine, found out by trying. */
import { devices, type Device } from '@dm/jit';
import { Command } from 'commander';
import { engineNames } from '../config/names.js';
import { environment } from '../machine/environment.js';
import { checkEngine, type EngineReport } from '../setup/check-engine.js';
import { print, printJson } from '../terminal/output.js';
import { withCommonOptions, type CommonFlags } from './common.js';

export function doctorCommand(): Command {
  return withCommonOptions(new Command('doctor'))
    .description('Say which engines work on this machine, and why the others do not. Each is really tried.')
    .action(run);
}

async function run(flags: CommonFlags): Promise<void> {
  const machine = environment();
  if (flags.json !== true) {
    for (const [key, value] of Object.entries(machine)) print(`${key.padEnd(12)} ${value}`);
    print('');
  }
  const reports: EngineReport[] = [];
  for (const [name, device] of contenders) {
    const report = await checkEngine(name, device);
    reports.push(report);
    if (flags.json !== true) print(`${(device === 'cpu' ? name : `${name} ${device}`).padEnd(14)} ${describe(report)}`);
  }
  const [preferred] = reports;
  if (flags.json === true) printJson({ event: 'doctor', environment: machine, engines: reports });
  else if (preferred!.works) print(['', `Training uses ${preferred!.name}. Begin with: dm train`]);
  if (!preferred!.works) throw new Error(`The default engine, ${preferred!.name}, does not work here; see above.`);
}

/** Every engine, and the default one on each of its devices too. */
const contenders = engineNames.flatMap((name): (readonly [engine: string, device: Device])[] =>
  (name === 'onnx' ? devices : (['cpu'] as const)).map((device) => [name, device]),
);

function describe(report: EngineReport): string {
  if (!report.works) return `no   ${report.reason}`;
  const info = Object.entries(report.info).map(([key, value]) => `${key} ${value}`);
  return `yes  ${info.join(', ')}`;
}
