import { DmError, type DmErrorOptions } from '@dm/ops';
import type { Node, Place } from './graph.js';

/** A function that cannot be compiled, or a program used against its contract. */
export class TraceError extends DmError<'TRACE_FAILED'> {
  override readonly name = 'TraceError';

  constructor(message: string, options: DmErrorOptions = {}) {
    super(message, { ...options, code: 'TRACE_FAILED' });
  }
}

/** The place of the call under way. */
export function here(): Place {
  const limit = Error.stackTraceLimit;
  // A call in a gradient in a model lies deep.
  Error.stackTraceLimit = 100;
  const place = new Error();
  Error.stackTraceLimit = limit;
  return place;
}

const packages = 'core|curriculum|data|eval|jit|models|ops|optim|trainer';

/**
 * `file:line:column` of the innermost frame outside Node, installed packages and the packages of this project: what a
 * library does says nothing about the user's mistake. Where there is no such frame, the innermost one outside TF.js,
 * `@dm/ops` and `@dm/jit`. `stack` begins with a frame of this package, by which the others are told.
 */
export function userFrame(stack: string): string | undefined {
  const frames = stack.split('\n').flatMap((line) => placeOf(line) ?? []);
  // `.../packages` in this project's own tree, `.../node_modules/@dm` where it is installed.
  const home = frames[0]?.match(/^(.*)[\\/]jit[\\/](?:src|dist)[\\/]/)?.[1];
  const isIn = (place: string, names: string) =>
    home !== undefined &&
    place.startsWith(home) &&
    new RegExp(`^[\\\\/](?:${names})[\\\\/](?:src|dist)[\\\\/](?!.*\\.test\\.)`).test(place.slice(home.length));
  const isInstalled = (place: string) => /[\\/]node_modules[\\/]/.test(place);
  const isBelow = (place: string) => /[\\/](?:tfjs-core|@tensorflow|@dm[\\/](?:ops|jit))[\\/]/.test(place);
  return (
    frames.find((place) => !isInstalled(place) && !isIn(place, packages)) ??
    frames.find((place) => !isBelow(place) && !isIn(place, 'ops|jit'))
  );
}

/** The place of a stack's line: `at f (file:///a/b.js:1:2)`, `at async /a/b.js:1:2`, or `f@http://a/b.js:1:2`. */
function placeOf(line: string): string | undefined {
  if (line.includes('node:')) return undefined;
  const place = /(?:\(|^\s*at (?:async )?|@)([^()]+:\d+:\d+)\)?\s*$/.exec(line)?.[1];
  return place?.replace(/^file:\/\/(?:\/(?=[A-Za-z]:))?/, '');
}

/** What is thrown for a kernel without a lowering, or with attributes that have none (`reason`). */
export function cannotCompile({ op, inputs, names, where }: Omit<Node, 'outputs'>, reason?: string): TraceError {
  const shapes = inputs.map((v, i) => `${names[i]} ${v.dtype} [${v.shape.join(', ')}]`).join(', ');
  const because = reason === undefined ? '' : `: ${reason}`;
  return new TraceError(
    `@dm/jit cannot compile the TF.js kernel ${op} (${shapes})${because}. Write it with ops from the FEATURES.md of ` +
      `@dm/jit, or run this program on an eager engine such as "tfjs-cpu".${at(where)}`,
  );
}

/** What `work` on a kernel returns; an error in it becomes one that names the kernel and the user's line. */
export function orRefuse<T>(node: Omit<Node, 'outputs'>, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof TraceError) throw cause;
    throw cannotCompile(node, cause instanceof Error ? cause.message : String(cause));
  }
}

/** The end of an error's message: the user's line, where there is one. */
export function at(place: Place | undefined): string {
  const where = place && userFrame(place.stack ?? '');
  return where === undefined ? '' : `\n    at ${where}`;
}
