/** What `nx run browser:speed` compares, and the form of its results. */
import type { Library } from '../speed-page/main.js';
import type { Work } from './steps.js';

export interface Contender {
  readonly name: string;
  /** Undefined for Node. */
  readonly library?: Library;
  readonly backend: string;
  readonly threads: 1 | 2;
  /** Default: all. */
  readonly works?: readonly Work[];
}

/** One thread is measured in a page that is not isolated, two in one that is. */
export const contenders: readonly Contender[] = [
  { name: '@dm, wasm', library: 'dm', backend: 'wasm', threads: 1 },
  { name: '@dm, wasm', library: 'dm', backend: 'wasm', threads: 2 },
  { name: 'TF.js, wasm', library: 'tfjs', backend: 'wasm', threads: 1 },
  { name: 'TF.js, wasm', library: 'tfjs', backend: 'wasm', threads: 2 },
  { name: 'TF.js, webgl (SwiftShader)', library: 'tfjs', backend: 'webgl', threads: 1 },
  { name: 'TF.js, cpu', library: 'tfjs', backend: 'cpu', threads: 1 },
  { name: 'jax-js, wasm', library: 'jax', backend: 'wasm', threads: 1, works: ['block'] },
  { name: 'jax-js, wasm', library: 'jax', backend: 'wasm', threads: 2, works: ['block'] },
  { name: "@dm, Node, `convolutions: 'plain'`", backend: 'native', threads: 1 },
  { name: "@dm, Node, `convolutions: 'plain'`", backend: 'native', threads: 2 },
];

/** Of one contender and work. */
export interface SpeedResult {
  readonly work: Work;
  readonly name: string;
  readonly threads: number;
  /** Milliseconds of each step, of all rounds. */
  readonly ms?: readonly number[];
  /** Loss of the second step, which shows that all compute the same. */
  readonly loss?: number;
  /** Why nothing was timed. */
  readonly error?: string;
}

export interface SpeedFile {
  readonly machine: string;
  /** Load average of the last minute before and after. */
  readonly load: readonly [before: number, after: number];
  readonly browser: string;
  readonly date: string;
  readonly rounds: number;
  readonly results: readonly SpeedResult[];
  /** The error of the filter's gradient of `tf.conv2d` by TF.js backend; null if it works. */
  readonly conv2dGradient: Readonly<Record<string, string | null>>;
  /** Kernels of gradients that TF.js's `cpu` has, and a backend lacks. */
  readonly missingGradients: Readonly<Record<string, readonly string[]>>;
}
