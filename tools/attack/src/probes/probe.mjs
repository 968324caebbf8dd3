// Runs the built `dm` on one hostile input, in a fresh set of folders, and returns the faults it found.
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cli } from '../dm.mjs';
import { tree, treeChanges } from '../tree.mjs';
/** @import { SharedDm } from './shared.mjs' */

/**
 * @typedef {object} Place
 * @property {string} work the working directory of `dm`, which it may change
 * @property {string} outside a folder it must not change
 * @property {(name: string, content: string | Uint8Array | object) => string} write writes a file in `work`
 *
 * @typedef {{ code: number | null, signal: string | null, stdout: string, stderr: string }} Ended
 *
 * @typedef {object} Probe
 * @property {string} kind
 * @property {string} name
 * @property {(place: Place) => void | Promise<void>} [prepare]
 * @property {readonly string[]} args
 * @property {readonly number[]} [codes] allowed exit codes. Default 0 and 1
 * @property {boolean} [withRun] whether `work/run` is a run that can be resumed
 * @property {number} [fileLimitKib] `ulimit -f`: the largest size of a file
 * @property {readonly string[]} [outputs] for standard output and error: a path, or `gone` for a
 *   closed pipe
 * @property {(child: import('node:child_process').ChildProcess, place: Place, said: () => string) => void} [during]
 * @property {(place: Place, ended: Ended) => string | undefined | Promise<string | undefined>} [check] returns the
 * fault, if any
 * @property {boolean} [alone] whether it needs its own process, which it may end or fill
 */

/** A command that takes longer hangs: at least ten times what the slowest one takes on two cores. */
const patienceMs = 600_000;
const maxMessageBytes = 4096;
const maxKib = 2 ** 20;
/** Control and format characters, except line breaks and tabs. */
const raw = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const faults = /a (?:fault|bug) in dm|^\s+at .*:\d+:\d+\)?$|node:internal|FATAL ERROR|Debugger listening/m;

/**
 * @param {Probe} probe
 * @param {{ run: string, shared?: SharedDm }} given `run` is a folder with a run that can be resumed; `shared` is the
 *   process that runs `dm`. Default: a new one
 * @returns {Promise<string[]>} its faults
 */
export async function runProbe(probe, { run, shared }) {
  const root = mkdtempSync(join(tmpdir(), 'dm-attack-'));
  const folders = ['work', 'outside', 'home', 'tmp'].map((name) => join(root, name));
  const [work = '', outside = '', home = '', temporary = ''] = folders;
  for (const folder of folders) mkdirSync(folder);
  writeFileSync(join(outside, 'secret.txt'), 'SECRET-7f3a');
  mkdirSync(join(outside, 'folder'));
  writeFileSync(join(outside, 'folder', 'kept.txt'), 'SECRET-7f3a');
  if (probe.withRun === true) cpSync(run, join(work, 'run'), { recursive: true });
  /** @type {Place} */
  const place = {
    work,
    outside,
    write(name, content) {
      const path = join(work, name);
      mkdirSync(join(path, '..'), { recursive: true });
      const isBytes = typeof content === 'string' || content instanceof Uint8Array;
      writeFileSync(path, isBytes ? content : JSON.stringify(content));
      return path;
    },
  };
  /** @type {string[]} */
  const found = [];
  try {
    await probe.prepare?.(place);
    const guarded = () => [outside, home, temporary].map((folder) => tree(folder));
    const before = guarded();
    const env = { HOME: home, TMPDIR: temporary };
    const ended =
      shared === undefined
        ? await runAlone(probe, place, env, found)
        : await runShared(probe, place, env, found, shared);
    const changed = guarded().flatMap((after, i) => treeChanges(before[i] ?? new Map(), after));
    if (changed.length > 0) found.push(`changed outside of what it was given: ${changed.slice(0, 3).join(', ')}`);
    const wrong = found.length === 0 ? await probe.check?.(place, ended) : undefined;
    if (wrong !== undefined) found.push(wrong);
  } catch (error) {
    found.push(`the probe failed: ${/** @type {Error} */ (error).stack}`);
  }
  spawnSync('chmod', ['-R', 'u+rwX', root]);
  rmSync(root, { recursive: true, force: true, maxRetries: 3 });
  return found;
}

/** @typedef {{ HOME: string, TMPDIR: string }} ProbeEnv */

/**
 * @param {Probe} probe
 * @param {Place} place
 * @param {ProbeEnv} ownEnv
 * @param {string[]} found
 * @param {SharedDm} shared
 * @returns {Promise<Ended>}
 */
async function runShared(probe, { work }, ownEnv, found, shared) {
  const { child, ended } = await shared.run({ args: probe.args, cwd: work, env: { ...ownEnv } });
  const watch = watchProcess(child);
  const outcome = await ended;
  const { code, ...outputs } = outcome ?? { code: null, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  return judge(probe, { code, signal: outcome === undefined ? 'its process' : null, ...outputs }, watch.end(), found);
}

/**
 * @param {Probe} probe
 * @param {Place} place
 * @param {ProbeEnv} ownEnv
 * @param {string[]} found
 * @returns {Promise<Ended>}
 */
async function runAlone(probe, place, ownEnv, found) {
  // `_` names the program that a shell started: under nohup, `dm` ignores SIGHUP.
  const { CI: _ci, DM_CACHE: _cache, XDG_CACHE_HOME: _xdg, _: _shell, ...inherited } = process.env;
  const env = { ...inherited, ...ownEnv };
  const command = [process.execPath, cli, ...probe.args];
  const redirected = (probe.outputs ?? []).map((target, i) =>
    typeof target === 'string' && target.startsWith('/') ? `${i + 1}>${target}` : '',
  );
  const limit = probe.fileLimitKib === undefined ? '' : `ulimit -f ${probe.fileLimitKib};`;
  const shell = ['-c', `${limit} exec "$@" ${redirected.join(' ')}`, 'bash', ...command];
  const child = spawn('bash', shell, { cwd: place.work, env, stdio: ['ignore', 'pipe', 'pipe'] });
  /** @type {Buffer[][]} */
  const chunks = [[], []];
  [child.stdout, child.stderr].forEach((stream, i) => {
    if (probe.outputs?.[i] === 'gone') stream?.destroy();
    else stream?.on('data', (chunk) => chunks[i]?.push(chunk));
  });
  const said = () => Buffer.concat(chunks.flat()).toString();
  probe.during?.(child, place, said);
  const watch = watchProcess(child);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exit, by) => resolve({ code: exit, signal: by }));
  });
  const [stdout = Buffer.alloc(0), stderr = Buffer.alloc(0)] = chunks.map((list) => Buffer.concat(list));
  return judge(probe, { code, signal, stdout, stderr }, watch.end(), found);
}

/** Ends a process that hangs or takes far too much memory. @param {import('node:child_process').ChildProcess} child */
function watchProcess(child) {
  let [peakKib, isHung] = [0, false];
  const look = () => (peakKib = Math.max(peakKib, peakMemory(child.pid)));
  const watch = setInterval(() => {
    if (look() > 2 * maxKib) child.kill('SIGKILL');
  }, 20);
  const timer = setTimeout(() => {
    isHung = true;
    child.kill('SIGKILL');
  }, patienceMs);
  return {
    end() {
      clearInterval(watch);
      clearTimeout(timer);
      return { peakKib, isHung };
    },
  };
}

/**
 * @param {Probe} probe
 * @param {{ code: number | null, signal: string | null, stdout: Uint8Array, stderr: Uint8Array }} ended
 * @param {{ peakKib: number, isHung: boolean }} seen
 * @param {string[]} found its faults are appended
 * @returns {Ended}
 */
function judge(probe, { code, signal, ...outputs }, { peakKib, isHung }, found) {
  const [stdout, stderr] = [Buffer.from(outputs.stdout), Buffer.from(outputs.stderr)];
  const texts = [stdout.toString(), stderr.toString()];
  if (isHung) found.push(`no end within ${patienceMs / 1000} s`);
  else if (peakKib > maxKib) found.push(`took ${Math.round(peakKib / 1024)} MiB of memory`);
  else if (signal !== null) found.push(`died of ${signal}`);
  else if (!(probe.codes ?? [0, 1]).includes(code ?? NaN)) found.push(`exit code ${code}: ${texts[1]?.slice(0, 300)}`);
  for (const [text, bytes] of /** @type {const} */ ([
    [texts[0], stdout],
    [texts[1], stderr],
  ])) {
    if (text === undefined) continue;
    const control = raw.exec(text);
    if (control !== null) found.push(`raw U+${control[0].codePointAt(0)?.toString(16)} in its output`);
    else if (!Buffer.from(text).equals(bytes)) found.push('its output is not UTF-8');
    const fault = faults.exec(text);
    if (fault !== null) found.push(`"${fault[0].trim()}": ${text.slice(0, 300)}`);
  }
  const error = texts[1]?.slice(Math.max(0, texts[1].indexOf('error: '))) ?? '';
  const lines = [
    error,
    ...texts
      .join('\n')
      .split('\n')
      .filter((line) => /^(\{"event":"(error|note)"|warning)/.test(line)),
  ];
  const longest = Math.max(...lines.map((line) => Buffer.byteLength(line)));
  if (longest > maxMessageBytes) found.push(`a message of ${longest} bytes`);
  return { code, signal, stdout: texts[0] ?? '', stderr: texts[1] ?? '' };
}

/** The peak resident set size of a process in KiB; 0 if it is not available. @param {number | undefined} pid */
function peakMemory(pid) {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
