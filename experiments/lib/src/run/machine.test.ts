import { cpus } from 'node:os';
import { describe, expect, it } from 'vitest';
import { machineName } from './machine.js';

describe('the name of the machine', () => {
  const vectorsOf = (cpuInfo: string) => machineName(cpuInfo).split(', ').slice(1, -1);

  it('has the widest vectors of the processor', () => {
    expect(vectorsOf('model name\t: x\nflags\t\t: fpu sse2 avx avx2 fma\n\nflags\t\t: fpu\n')).toEqual(['AVX2']);
    expect(vectorsOf('flags\t\t: fpu avx2 avx512f avx512dq\n')).toEqual(['AVX-512']);
    expect(vectorsOf('Features\t: fp asimd evtstrm\n')).toEqual(['NEON']);
  });

  it('leaves them out where they are not known', () => {
    expect(vectorsOf('flags\t\t: fpu sse2\n')).toEqual([]);
    expect(vectorsOf('')).toEqual([]);
    expect(machineName('')).toBe(`${cpus()[0]!.model.trim()}, ${cpus().length} cores`);
  });
});
