// Runs the built `dm` on one hostile input, in a fresh set of folders, and returns the faults it found.
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cli } from '../dm.mjs';
import { tree, treeChanges } from '../tree.mjs';

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
 */

/** Limits of a probe. The time limit is for a machine on which `dm --version` takes one second. */
const patienceMs = 20_000;
const maxMessageBytes = 4096;
const maxKib = 2 ** 20;
/** Control and format characters, except line breaks and tabs. */
const raw = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const faults = /a fault in dm|^\s+at .*:\d+:\d+\)?$|node:internal|FATAL ERROR|Debugger listening/m;

/** The factor by which this machine is slower than expected; at least 1. */
export function measureSlowness() {
  const before = performance.now();
  execFileSync(process.execPath, [cli, '--version']);
  return Math.max(1, (performance.now() - before) / 1000);
}

/**
 * @param {Probe} probe
 * @param {{ run: string, slowness: number }} given `run` is a folder with a run that can be resumed
 * @returns {Promise<string[]>} its faults
 */
export async function runProbe(probe, { run, slowness }) {
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
    const ended = await start(probe, place, { home, temporary, limitMs: patienceMs * slowness }, found);
    const changed = guarded().flatMap((after, i) => treeChanges(before[i] ?? new Map(), after));
    if (changed.length > 0) found.push(`changed outside of what it was given: ${changed.slice(0, 3).join(', ')}`);
    const wrong = found.length === 0 ? await probe.check?.(place, ended) : undefined;
    if (wrong !== undefined) found.push(wrong);
  } catch (error) {
    found.push(`the probe failed: ${/** @type {Error} */ (error).stack}`);
  }
  execFileSync('chmod', ['-R', 'u+rwX', root]);
  rmSync(root, { recursive: true, force: true });
  return found;
}

/**
 * @param {Probe} probe
 * @param {Place} place
 * @param {{ home: string, temporary: string, limitMs: number }} limits
 * @param {string[]} found
 * @returns {Promise<Ended>}
 */
async function start(probe, place, { home, temporary, limitMs }, found) {
  const { CI: _ci, DM_CACHE: _cache, XDG_CACHE_HOME: _xdg, ...inherited } = process.env;
  const env = { ...inherited, HOME: home, TMPDIR: temporary };
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
  let peakKib = 0;
  const watch = setInterval(() => {
    peakKib = Math.max(peakKib, peakMemory(child.pid));
    if (peakKib > 2 * maxKib) child.kill('SIGKILL');
  }, 20);
  let isHung = false;
  const timer = setTimeout(() => {
    isHung = true;
    child.kill('SIGKILL');
  }, limitMs);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exit, by) => resolve({ code: exit, signal: by }));
  });
  clearInterval(watch);
  clearTimeout(timer);
  const [stdout = Buffer.alloc(0), stderr = Buffer.alloc(0)] = chunks.map((list) => Buffer.concat(list));
  const texts = [stdout.toString(), stderr.toString()];
  if (isHung) found.push(`no end within ${Math.round(limitMs / 1000)} s`);
  else if (peakKib > maxKib) found.push(`took ${Math.round(peakKib / 1024)} MiB of memory`);
  else if (signal !== null) found.push(`died of ${signal}`);
  else if (!(probe.codes ?? [0, 1]).includes(code)) found.push(`exit code ${code}: ${texts[1]?.slice(0, 300)}`);
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
