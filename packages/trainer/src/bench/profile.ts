/** Profile of a training step: time by operator type and by model block. */
import { checkInteger } from '@dm/ops';
import { listFolder, readTextFile, removeTree } from '@dm/files';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseProfile, type NodeCall, type SessionCall } from '@dm/jit';
import type { Config } from '../config/schema.js';
import { engineOptions, openEngine } from '../setup/engine.js';
import { UserError } from '../errors.js';
import { openTrainingSetup, type OpenTrainingSetupOptions } from '../setup/open-training-setup.js';
import { measureMatmulGflops } from './matmul-rate.js';
import { spread } from './spread.js';
import { timedSteps } from './timed-steps.js';

/** Time and operations per step. */
export interface Cost {
  readonly ms: number;
  /** Fraction of the time of all nodes, in [0, 1]. */
  readonly share: number;
  /** 10^9 floating-point operations, of matrix products and convolutions. */
  readonly gflop: number;
  /** GFLOP/s of the nodes with floating-point operations, relative to `bestGflops`; null if there are none, or on devices. */
  readonly reached: number | null;
}

export interface OpCost extends Cost {
  readonly op: string;
  /** Calls per step. */
  readonly calls: number;
}

export interface BlockCost extends Cost {
  /** Name of the model block; '' for operations outside all blocks. */
  readonly block: string;
  readonly forwardMs: number;
  readonly backwardMs: number;
}

export interface StepProfile {
  /** Number of steps that the values are averaged over. */
  readonly steps: number;
  /** Median duration of a profiled step in milliseconds, including profiling overhead. */
  readonly stepMs: number;
  /**
   * GFLOP/s of 1024 x 1024 matrix products, measured at the same time. Null on devices, for which the times of operators are
   * how long the CPU takes to submit them.
   */
  readonly bestGflops: number | null;
  /** Total of all nodes. */
  readonly total: Cost;
  /** Most expensive first. */
  readonly ops: readonly OpCost[];
  readonly blocks: readonly BlockCost[];
  /** Peak memory of the runtime for intermediate values, in MiB. */
  readonly valuesPeakMb: number;
  /** Bytes that a step copies to and from the device; 0 on the CPU. */
  readonly copiedBytes: number;
}

/** Maximum length of a string in V8: the profile is parsed as one. */
const maxProfileBytes = 2 ** 29 - 24;

/**
 * Profiles the training step of a configuration.
 *
 * @throws {UserError} if the engine is not `onnx`, the only one with a profiler
 */
export async function profileStep(
  config: Config,
  steps = 5,
  options: OpenTrainingSetupOptions = {},
): Promise<StepProfile> {
  if (config.engine !== 'onnx') throw notProfiledError(config.engine);
  checkInteger('steps', steps, 1);
  if (config.gradientAccumulation > 1) {
    throw new UserError(
      `Profiling does not support gradient accumulation: set gradientAccumulation=1 and batchSize=${config.batchSize / config.gradientAccumulation}.`,
    );
  }
  const bestGflops = config.device === 'cpu' ? await measureMatmulGflops(engineOptions(config)) : null;
  const setup = await openTrainingSetup(config, options);
  const folder = mkdtempSync(join(tmpdir(), 'dm-profile-'));
  try {
    const updates: number[] = [];
    let copiedBytes = 0;
    const engine = await openEngine('onnx', {
      ...engineOptions(config),
      onPhase: options.onPhase,
      profilePrefix: join(folder, 'session'),
      observer: {
        ran(run) {
          updates.push(run.updateMs);
          copiedBytes = run.copiedBytes;
        },
      },
    });
    try {
      for await (const _ms of timedSteps(setup, engine, 1 + steps));
    } finally {
      await engine.dispose();
    }
    const [file] = listFolder(folder);
    const text = readTextFile(join(folder, file!.name), { maxBytes: maxProfileBytes });
    const { calls, valuesPeakMb } = parseProfile(text);
    // Skip the first call, which allocates memory.
    return { ...summarizeCalls(withUpdates(calls, updates).slice(1), bestGflops), valuesPeakMb, copiedBytes };
  } finally {
    removeTree(folder);
  }
}

/** The calls, with the kernel that updates the state, which runs after each call (0 ms if there is none). */
export function withUpdates(calls: readonly SessionCall[], updates: readonly number[]): SessionCall[] {
  return calls.map(({ ms, nodes }, i) => {
    const kernel = { name: '', op: 'update kernel', scope: 'optimizer', kernel: '', ms: updates[i]!, flops: 0 };
    return kernel.ms === 0 ? { ms, nodes } : { ms: ms + kernel.ms, nodes: [...nodes, kernel] };
  });
}

/** The error for engines other than `onnx`. */
export function notProfiledError(engine: string): UserError {
  return new UserError(`Only the engine onnx can be profiled, not ${engine}.`, { code: 'ENGINE_UNSUITABLE' });
}

/** Mean costs per step over `calls`. */
export function summarizeCalls(
  calls: readonly SessionCall[],
  bestGflops: number | null,
): Omit<StepProfile, 'valuesPeakMb' | 'copiedBytes'> {
  const nodes = calls.flatMap((call) => call.nodes);
  const allMs = sum(nodes, (node) => node.ms);
  const perStep = (value: number) => value / calls.length;
  const cost = (some: readonly NodeCall[]): Cost => {
    const ms = sum(some, (node) => node.ms);
    const counted = some.filter((node) => node.flops > 0);
    const flops = sum(counted, (node) => node.flops);
    const countedMs = sum(counted, (node) => node.ms);
    return {
      ms: perStep(ms),
      share: ms / allMs,
      gflop: perStep(flops) / 1e9,
      reached: countedMs === 0 || bestGflops === null ? null : flops / (countedMs * 1e6) / bestGflops,
    };
  };
  const dearestFirst = (a: Cost, b: Cost) => b.ms - a.ms;
  const ops = [...groupBy(nodes, (node) => node.op)].map(([op, some]) => ({
    op,
    calls: perStep(some.length),
    ...cost(some),
  }));
  const blocks = [...groupBy(nodes, (node) => node.scope.replace(backward, ''))].map(([block, some]) => ({
    block,
    ...cost(some),
    forwardMs: perStep(sum(some, (node) => (backward.test(node.scope) ? 0 : node.ms))),
    backwardMs: perStep(sum(some, (node) => (backward.test(node.scope) ? node.ms : 0))),
  }));
  return {
    steps: calls.length,
    stepMs: spread(calls.map((call) => call.ms)).median,
    bestGflops,
    total: cost(nodes),
    ops: ops.toSorted(dearestFirst),
    blocks: blocks.toSorted(dearestFirst),
  };
}

/** The prefix that `scope` of @dm/ops adds to the name of a block for its gradient. */
const backward = /^gradient of /;

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}
