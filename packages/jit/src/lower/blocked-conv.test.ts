import { conv2d, upsampleNearest } from '@dm/ops';
import type { Program } from '@dm/ops';
import { describe, expect, it } from 'vitest';
import { blockedConvolutions } from './blocked.js';
import type { LoweringTarget } from './context.js';
import { lowerGraph } from './lower-graph.js';
import { openOnnxEngine } from '../engine.js';
import { closeTo, floats, runOnnx } from '../testing.js';
import type { Graph } from '../graph/graph.js';
import { freezeState } from '../passes/freeze-state.js';
import { runPipeline } from '../passes/pipeline.js';
import { trace } from '../trace/trace.js';

const program: Program = (_, { x, w }) => ({ outputs: { y: conv2d(x!, w!) } });
const inputs = { x: floats([2, 5, 4, 32]), w: floats([3, 3, 32, 16], 2) };
const domains = (block: number, target: LoweringTarget = 'cpu', specs = inputs) =>
  new Set(
    lowerGraph(trace(program, {}, specs), { blocked: blockedConvolutions(block), target }).nodes.map(
      (node) => node.domain,
    ),
  );

describe('blocked convolutions', () => {
  it('are used if the channels are divisible by the block size, and never in a file or on a device', () => {
    expect(domains(16)).toContain('com.microsoft.nchwc');
    expect(domains(0)).toEqual(new Set(['']));
    for (const target of ['file', 'gpu'] as const) expect(domains(16, target)).toEqual(new Set(['']));
    expect(domains(16, 'cpu', { x: floats([1, 4, 4, 24]), w: floats([3, 3, 24, 16]) })).toEqual(new Set(['']));
  });

  it('agree with the plain ones, for any result of the probe', async () => {
    const [auto, plain] = [
      await openOnnxEngine({ threads: 1 }),
      await openOnnxEngine({ threads: 1, convolutions: 'plain' }),
    ];
    expect([0, 8, 16]).toContain(auto.info['block']);
    expect(plain.info['block']).toBe(0);
    expect(await runOnnx(program, inputs, auto)).toBeAllClose(await runOnnx(program, inputs, plain), closeTo(2e-6));
  });

  it('have filters that the runtime rearranges in advance if they are constants', async () => {
    const upsampled: Program = ({ w }, { x }) => ({ outputs: { y: conv2d(upsampleNearest(x!), w!) } });
    const state = { w: floats([3, 3, 16, 32], 2) };
    const images = { x: floats([2, 5, 4, 16]) };
    const target = { kind: 'cpu', blocked: blockedConvolutions(16) } as const;
    const reorders = (graph: Graph) => {
      const { nodes } = lowerGraph(runPipeline(graph, target).main, { blocked: target.blocked });
      return nodes.filter(({ op, domain }) => op === 'ReorderInput' && domain !== '').length;
    };
    const traced = trace(upsampled, state, images);
    expect(reorders(traced)).toBe(1 + 4); // the image, and a filter for each of four pixels
    expect(reorders(freezeState(traced, state))).toBe(1);

    const engine = await openOnnxEngine({ threads: 1 });
    const results = [];
    for (const frozenState of [false, true]) {
      const compiled = engine.compile(upsampled, { frozenState });
      results.push(await compiled.run(await compiled.load(state), images));
    }
    await engine.dispose();
    expect(results[1]).toBeAllClose(results[0]!, closeTo(2e-6));
  });
});
