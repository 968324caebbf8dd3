/** Where a call was made: kept for the message of an error, and turned into text only for one. */
export type CallSite = Error;

/** The call site of the call under way. */
export function captureCallSite(): CallSite {
  const limit = Error.stackTraceLimit;
  // A call in a gradient in a model lies deep.
  Error.stackTraceLimit = 100;
  const callSite = new Error();
  Error.stackTraceLimit = limit;
  return callSite;
}

const packages = 'core|curriculum|data|eval|jit|models|ops|optim|trainer';

/**
 * `file:line:column` of the innermost frame outside Node, installed packages and the packages of this project: what a
 * library does says nothing about the user's mistake. Where there is no such frame, the innermost one outside TF.js,
 * `@dm/ops` and `@dm/jit`. `stack` begins with a frame of this package, by which the others are told.
 */
export function userFrame(stack: string): string | undefined {
  const frames = stack.split('\n').flatMap((line) => locationOf(line) ?? []);
  // `.../packages` in this project's own tree, `.../node_modules/@dm` where it is installed.
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

/** The location in a stack's line: `at f (file:///a/b.js:1:2)`, `at async /a/b.js:1:2`, or `f@http://a/b.js:1:2`. */
function locationOf(line: string): string | undefined {
  if (line.includes('node:')) return undefined;
  const location = /(?:\(|^\s*at (?:async )?|@)([^()]+:\d+:\d+)\)?\s*$/.exec(line)?.[1];
  return location?.replace(/^file:\/\/(?:\/(?=[A-Za-z]:))?/, '');
}

/** The end of an error's message: the user's line, where there is one. */
export function atCallSite(callSite: CallSite | undefined): string {
  const location = callSite && userFrame(callSite.stack ?? '');
  return location === undefined ? '' : ` (at ${location})`;
}
