/** The place of a call, for error messages. The stack is formatted only if an error needs it. */
export type CallSite = Error;

/** Captures the place of the current call. */
export function captureCallSite(): CallSite {
  const limit = Error.stackTraceLimit;
  // Calls inside a model's gradient are deep in the stack.
  Error.stackTraceLimit = 100;
  const callSite = new Error();
  Error.stackTraceLimit = limit;
  return callSite;
}

const packages = 'core|curriculum|data|eval|jit|models|ops|optim|trainer';

/**
 * Returns `file:line:column` of the innermost frame outside Node, installed packages, and this project's packages,
 * since a library's frame does not help users find their mistake. If every frame is in one of these, it is the
 * innermost frame outside TF.js, `@dm/ops`, and `@dm/jit`. `stack` must begin with a frame of this package, which
 * identifies the others.
 */
export function userFrame(stack: string): string | undefined {
  const frames = stack.split('\n').flatMap((line) => locationOf(line) ?? []);
  // `.../packages` in this repository, `.../node_modules/@dm` if installed.
  const home = frames[0]?.match(/^(.*)[\\/]jit[\\/](?:src|dist)[\\/]/)?.[1];
  const isIn = (location: string, names: string) =>
    home !== undefined &&
    location.startsWith(home) &&
    new RegExp(`^[\\\\/](?:${names})[\\\\/](?:src|dist)[\\\\/](?!.*\\.test\\.)`).test(location.slice(home.length));
  const isInstalled = (location: string) => /[\\/]node_modules[\\/]/.test(location);
  const isBelow = (location: string) => /[\\/](?:tfjs-core|@tensorflow|@dm[\\/](?:ops|jit))[\\/]/.test(location);
  return (
    frames.find((location) => !isInstalled(location) && !isIn(location, packages)) ??
    frames.find((location) => !isBelow(location) && !isIn(location, 'ops|jit'))
  );
}

/** The location in a line of a stack: `at f (file:///a/b.js:1:2)`, `at async /a/b.js:1:2`, or `f@http://a/b.js:1:2`. */
function locationOf(line: string): string | undefined {
  if (line.includes('node:')) return undefined;
  const location = /(?:\(|^\s*at (?:async )?|@)([^()]+:\d+:\d+)\)?\s*$/.exec(line)?.[1];
  return location?.replace(/^file:\/\/(?:\/(?=[A-Za-z]:))?/, '');
}

/** The end of an error message: the user's line, if known. */
export function atCallSite(callSite: CallSite | undefined): string {
  const location = callSite && userFrame(callSite.stack ?? '');
  return location === undefined ? '' : ` (at ${location})`;
}
