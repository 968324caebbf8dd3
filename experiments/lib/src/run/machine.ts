/** The machine that a trial runs on. */
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Vector instructions, the widest first, by their names in /proc/cpuinfo. */
const vectors = { avx512f: 'AVX-512', avx2: 'AVX2', asimd: 'NEON' } as const;

/** What Linux says about the processors. */
const cpuInfoFile = '/proc/cpuinfo';

/**
 * The processor, its widest vector instructions (on Linux only), and the number of its cores. The vectors decide in which
 * order the engine sums, and so the last bits of a run.
 */
export function machineName(cpuInfo = existsSync(cpuInfoFile) ? readFileSync(cpuInfoFile, 'utf8') : ''): string {
  const [, flags = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuInfo) ?? [];
  const known = new Set(flags.trim().split(' '));
  const widest = Object.entries(vectors).find(([flag]) => known.has(flag))?.[1];
  return [
    cpus()[0]?.model.trim() ?? 'unknown',
    ...(widest === undefined ? [] : [widest]),
    `${cpus().length} cores`,
  ].join(', ');
}
