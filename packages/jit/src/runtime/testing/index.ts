/**
 * Runs processes in a private environment, so that the files they create can be told apart from other processes' files.
 * For end-to-end tests of this workspace.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface PrivateUser {
  /** A temporary folder, which the test must remove. Contains `home`, `cache`, and `temp`. */
  readonly folder: string;
  /** Environment of an interactive user with these home, cache, and temporary folders. */
  readonly env: NodeJS.ProcessEnv;
  /** Lists the files in these three folders. */
  leftBehind(): string[];
}

/** Variables that disable ONNX Runtime's telemetry, including ours. */
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

/** Creates a user whose folders no other process on this machine uses. */
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

/** Node options that make the package koffi impossible to resolve, also in workers. */
export const withoutKoffi = (() => {
  const asUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
  const hooks = asUrl(`export function resolve(name, context, next) {
    if (name === 'koffi') throw new Error('koffi is not installed');
    return next(name, context);
  }`);
  return ['--import', asUrl(`import { register } from 'node:module'; register(${JSON.stringify(hooks)});`)] as const;
})();

/** Whether a program is installed. */
export const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;

/** Skips a test and prints the reason. */
export function skipLoudly(skip: (reason: string) => void, reason: string): void {
  // oxlint-disable-next-line no-console
  console.warn(`SKIPPED: ${reason}`);
  skip(reason);
}

/** A command that logs the sockets and files of a program and its child processes to the file `trace`. */
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
 * Lines of such a log about the network, or about files opened for writing outside the folders `own`, except devices.
 * @throws {Error} if the log does not show ONNX Runtime being loaded
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
