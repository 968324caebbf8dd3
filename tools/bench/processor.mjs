import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/**
 * A processor with its family, model, and vector width, which the name in virtual machines leaves out, such as `AMD EPYC
 * (family 23, model 1, AVX2)`.
 *
 * @param {string} cpuinfo Content of /proc/cpuinfo; empty on other systems, for which `name` is returned.
 * @param {string} [name]
 */
export function processor(cpuinfo, name = 'unknown') {
  const field = (/** @type {string} */ key) =>
    new RegExp(`^${key}\\s*:\\s*(.*)$`, 'm')
      .exec(cpuinfo)?.[1]
      ?.trim()
      .replace(/\((?:R|TM)\)/gi, '');
  const [family, model, flags] = [field('cpu family'), field('model'), field('flags')?.split(' ')];
  if (family === undefined || model === undefined || flags === undefined) return name;
  const width = [
    ['avx512f', 'AVX-512'],
    ['avx2', 'AVX2'],
    ['avx', 'AVX'],
  ].find(([flag]) => flags.includes(flag))?.[1];
  const details = [`family ${family}`, `model ${model}`, ...(width === undefined ? [] : [width])];
  return `${field('model name') ?? name} (${details.join(', ')})`;
}

/** The processor of this machine. */
export const thisProcessor = () =>
  processor(existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '', cpus()[0]?.model);
