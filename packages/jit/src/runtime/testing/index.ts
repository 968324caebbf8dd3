/** Processes whose traces on the machine can be told from those of others: for end-to-end tests of this workspace. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface PrivateUser {
  /** Of a test; to be removed after it. Holds `home`, `cache` and `temp`. */
  readonly folder: string;
  /** Environment of a person at a keyboard whose home, cache and temporary folder these are. */
  readonly env: NodeJS.ProcessEnv;
  /** Files in these three. */
  leftBehind(): string[];
}

/** Variables with which ONNX Runtime keeps quiet by itself, and ours. */
const decisive = [
  'CI',
  'TF_BUILD',
  'GITHUB_ACTIONS',
  'GITLAB_CI',
  'CIRCLECI',
  'TRAVIS',
  'JENKINS_URL',
  'CODEBUILD_BUILD_ID',
  'BUILDKITE',
  'TEAMCITY_VERSION',
  'APPVEYOR',
  'BITBUCKET_BUILD_NUMBER',
  'SYSTEM_TEAMFOUNDATIONCOLLECTIONURI',
  'ORT_DISABLE_TELEMETRY',
  'ORT_RUNNING_UNIT_TESTS',
  'DM_ORT_TELEMETRY',
];

/** A user as no other process on this machine is. */
export function createPrivateUser(): PrivateUser {
  const folder = mkdtempSync(join(tmpdir(), 'dm-user-'));
  const names = ['home', 'cache', 'temp'];
  const [home, cache, temp] = names.map((name) => join(folder, name)) as [string, string, string];
  for (const path of [home, cache, temp]) mkdirSync(path);
  const others = Object.fromEntries(Object.entries(process.env).filter(([name]) => !decisive.includes(name)));
  return {
    folder,
    env: { ...others, HOME: home, USERPROFILE: home, XDG_CACHE_HOME: cache, TMPDIR: temp, TEMP: temp, TMP: temp },
    leftBehind: () =>
      names.flatMap((name) =>
        readdirSync(join(folder, name), { recursive: true, encoding: 'utf8' }).map((file) => `${name}/${file}`),
      ),
  };
}

/** Options of Node with which the package koffi is not found, in workers neither. */
export const withoutKoffi = (() => {
  const asUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
  const hooks = asUrl(`export function resolve(name, context, next) {
    if (name === 'koffi') throw new Error('koffi is not installed');
    return next(name, context);
  }`);
  return ['--import', asUrl(`import { register } from 'node:module'; register(${JSON.stringify(hooks)});`)] as const;
})();

/** Whether a program of the operating system is there. */
export const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;

/** Skips a test, and says so where people look. */
export function skipLoudly(skip: (reason: string) => void, reason: string): void {
  // oxlint-disable-next-line no-console
  console.warn(`SKIPPED: ${reason}`);
  skip(reason);
}

/** A command under which a program's sockets and files, and those of its children, are written to the file `trace`. */
export const straceTo = (trace: string): readonly string[] => [
  'strace',
  '-f',
  '-qq',
  '-e',
  'trace=network,open,openat,creat',
  '-o',
  trace,
];

/**
 * Lines of such a trace about the network, or about a file that is opened to be written outside the folders `own`, devices
 * excepted.
 *
 * @throws {Error} if the trace has not seen ONNX Runtime being loaded.
 */
export function tracedLeaks(trace: string, own: readonly string[] = []): string[] {
  if (!trace.includes('libonnxruntime')) throw new Error(`not a trace of ONNX Runtime: ${trace.slice(0, 1000)}`);
  const places = [...own.map((folder) => `"${folder}/`), '"/dev/'];
  return trace.split('\n').filter((line) => {
    if (/\b(socket\(AF_(INET|NETLINK)|connect\(|send(to|msg|mmsg)\()/.test(line)) return true;
    const writes = /\b(creat\(|open(at)?\(.*\bO_(WRONLY|RDWR|CREAT))/.test(line);
    return writes && !places.some((place) => line.includes(place));
  });
}
