// Damaged files, full disks, and signals: saved progress must not be lost.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { latestCheckpoint } from '@dm/trainer';
import { startDm } from '../dm.mjs';
import { tinyConfig, writeTinyData } from '../tiny.mjs';
/** @import { Place, Probe } from './probe.mjs' */

/** Total steps of the run in `work/run`, which was stopped after step 6 and has a checkpoint every 2 steps. */
export const totalSteps = 12;

const resume = ['train', '--resume', '--out', 'run'];
const checkpoints = (/** @type {Place} */ { work }) => join(work, 'run', 'checkpoints');
const newest = 'run/checkpoints/step-000006';

/** The step of the newest valid checkpoint. @param {Place} place */
const savedStep = (place) => latestCheckpoint(checkpoints(place)).checkpoint?.manifest.step ?? 0;

/** Checks that the run finished and its last checkpoint is valid. @param {Place} place */
function finished(place) {
  const step = savedStep(place);
  return step === totalSteps ? undefined : `the newest checkpoint that holds is of step ${step}, not ${totalSteps}`;
}

/** @param {Place} place @param {string} path */
function flip({ work }, path) {
  const bytes = readFileSync(join(work, path));
  const at = bytes.length - 5;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(join(work, path), bytes);
}

/** @param {Place} place @param {(manifest: any) => object} change @param {string} [folder] */
function changeManifest({ work, write }, change, folder = newest) {
  const path = `${folder}/manifest.json`;
  write(path, change(JSON.parse(readFileSync(join(work, path), 'utf8'))));
}

/** @returns {Probe[]} */
export function damage() {
  const kind = 'A1, A4 damaged checkpoints';
  const files = ['model.safetensors', 'ema.safetensors', 'optimizer.safetensors', 'manifest.json'];
  /** @type {Record<string, (place: Place) => void>} */
  const changes = {
    'a byte in each of the newest two': (place) => {
      for (const step of ['step-000004', 'step-000006']) flip(place, `run/checkpoints/${step}/model.safetensors`);
    },
    ...Object.fromEntries(files.map((file) => [`a byte of ${file}`, (place) => flip(place, `${newest}/${file}`)])),
    ...Object.fromEntries(files.map((file) => [`${file} is missing`, ({ work }) => rmSync(join(work, newest, file))])),
    'step of the manifest': (place) => changeManifest(place, (manifest) => ({ ...manifest, step: 7 })),
    'configSha256 of the manifest': (place) =>
      changeManifest(place, (manifest) => ({ ...manifest, configSha256: '0'.repeat(64) })),
    'dataSha256 of the manifest': (place) =>
      changeManifest(place, (manifest) => ({ ...manifest, dataSha256: '0'.repeat(64) })),
    'sums of the manifest': (place) => changeManifest(place, (manifest) => ({ ...manifest, log: { loss: [1e9] } })),
    'name of the folder': ({ work }) =>
      cpSync(join(work, newest), join(work, 'run', 'checkpoints', 'step-000009'), { recursive: true }),
    'an empty newer folder': ({ work }) => {
      mkdirSync(join(work, 'run', 'checkpoints', 'step-000100'));
    },
  };
  return [
    ...Object.entries(changes).map(([name, prepare]) => ({
      kind,
      name,
      withRun: true,
      prepare,
      args: [...resume, '--keep-last', '2'],
      codes: [0],
      check: finished,
    })),
    {
      kind,
      name: 'a new checkpoint is kept before damaged ones of later steps',
      withRun: true,
      prepare: (place) => {
        for (const step of ['step-000004', 'step-000006']) flip(place, `run/checkpoints/${step}/model.safetensors`);
      },
      args: [...resume, '--keep-last', '2', '--step-budget', '1'],
      codes: [0],
      check: (place) =>
        savedStep(place) === 3 ? undefined : `the newest checkpoint that holds is of step ${savedStep(place)}`,
    },
    {
      kind,
      name: 'a checkpoint of a newer format is not overwritten',
      withRun: true,
      prepare: (place) => {
        const later = 'run/checkpoints/step-000008';
        cpSync(join(place.work, newest), join(place.work, later), { recursive: true });
        changeManifest(place, (manifest) => ({ ...manifest, format: 999, step: 8 }), later);
      },
      args: resume,
      check: (place) => {
        const isThere = readdirSync(checkpoints(place)).some((name) => {
          const path = join(checkpoints(place), name, 'manifest.json');
          return existsSync(path) && readFileSync(path, 'utf8').includes('"format":999');
        });
        return isThere ? undefined : 'the checkpoint of the newer format is gone';
      },
    },
  ];
}

/** @returns {Probe[]} */
export function locks() {
  const kind = 'A5 locks';
  const lock = 'run/run.lock';
  const host = hostname();
  /** @type {Record<string, (place: Place) => void>} */
  const stale = {
    'of a process that is gone': ({ write }) => void write(lock, { pid: 2 ** 22 - 1, host }),
    'of pid 0': ({ write }) => void write(lock, { pid: 0, host }),
    'of pid -1': ({ write }) => void write(lock, { pid: -1, host }),
    'empty and old': ({ write }) => utimesSync(write(lock, ''), 1, 1),
    'empty, of the future': ({ write }) => utimesSync(write(lock, ''), 4e9, 4e9),
  };
  /** The other processes that find a stale lock. @type {Promise<unknown>[]} */
  let others = [];
  const outs = ['/proc/dm-attack/x', '/proc/self/x', '/sys/dm-attack', '/dev/dm-attack', '/dev/null/x'];
  return [
    ...Object.entries(stale).map(([name, prepare]) => ({
      kind,
      name,
      alone: true,
      withRun: true,
      prepare,
      args: resume,
      check: (/** @type {Place} */ place) =>
        existsSync(join(place.work, lock)) && savedStep(place) === totalSteps ? 'the lock is left' : undefined,
    })),
    {
      kind,
      name: 'four processes find a stale lock',
      withRun: true,
      alone: true,
      prepare: ({ work, write }) => {
        write(lock, { pid: 2 ** 22 - 1, host });
        // They run at the same time as the process under test.
        others = Array.from({ length: 3 }, () => startDm(resume, { cwd: work }).ended);
      },
      args: resume,
      check: async (place) => {
        await Promise.all(others);
        return savedStep(place) >= 6 ? undefined : 'no checkpoint holds';
      },
    },
    ...outs.map((out) => ({
      kind: 'A5 folders of the system',
      name: out,
      withRun: true,
      prepare: async (/** @type {Place} */ { work, write }) => {
        write('config.json', tinyConfig(await writeTinyData(work), 2));
      },
      args: ['train', '--config', 'config.json', '--out', out],
      codes: [1],
    })),
  ];
}

/** @returns {Probe[]} */
export function endings() {
  const kind = 'A2 the end saves';
  const long = async (/** @type {Place} */ { work, write }, /** @type {object} */ fields = {}) => {
    write('config.json', { ...tinyConfig(await writeTinyData(work), 100_000), ...fields });
  };
  const args = ['train', '--config', 'config.json', '--out', 'run'];
  const log = (/** @type {Place} */ { work }) => join(work, 'run', 'metrics.jsonl');
  /** Calls `act` after the training has logged some steps. @param {(child: any, place: Place) => void} act */
  const onceTraining = (act) => (/** @type {any} */ child, /** @type {Place} */ place) => {
    const timer = setInterval(() => {
      if (!existsSync(log(place)) || readFileSync(log(place)).length < 2000) return;
      clearInterval(timer);
      act(child, place);
    }, 50);
    child.on('exit', () => clearInterval(timer));
  };
  const saved = (/** @type {Place} */ place) => {
    const lastLogged = readFileSync(log(place), 'utf8').trimEnd().split('\n').length;
    if (savedStep(place) < lastLogged) return `step ${lastLogged} was logged, and step ${savedStep(place)} is saved`;
    return existsSync(join(place.work, 'run', 'run.lock')) ? 'the lock is left' : undefined;
  };
  const base = { kind, args, prepare: long, check: saved };
  const signal = (/** @type {NodeJS.Signals} */ name) => onceTraining((child) => child.kill(name));
  return [
    { ...base, name: 'SIGTERM', during: signal('SIGTERM'), codes: [143] },
    { ...base, name: 'SIGINT', during: signal('SIGINT'), codes: [130] },
    { ...base, name: 'SIGHUP', during: signal('SIGHUP'), codes: [129] },
    { ...base, name: 'SIGTERM, nobody reads', during: signal('SIGTERM'), outputs: ['gone', 'gone'], codes: [143] },
    {
      ...base,
      name: 'SIGTERM, nobody reads errors',
      during: signal('SIGTERM'),
      outputs: ['pipe', 'gone'],
      codes: [143],
    },
    {
      ...base,
      name: 'SIGTERM, output on a full disk',
      during: signal('SIGTERM'),
      outputs: ['/dev/full'],
      codes: [1, 143],
    },
    {
      ...base,
      name: 'SIGTERM, all output on a full disk',
      during: signal('SIGTERM'),
      outputs: ['/dev/full', '/dev/full'],
      codes: [1, 143],
    },
    {
      ...base,
      name: 'SIGUSR1, then SIGTERM',
      during: onceTraining((child) => {
        child.kill('SIGUSR1');
        setTimeout(() => child.kill('SIGTERM'), 500);
      }),
      codes: [143],
    },
    {
      kind,
      name: 'the folder of samples cannot be written',
      args,
      prepare: async (place) => {
        await long(place, { totalSteps: 12, sampleEvery: 3 });
        mkdirSync(join(place.work, 'run'), { recursive: true });
        writeFileSync(join(place.work, 'run', 'samples'), '');
      },
      check: (place) => (!existsSync(log(place)) || savedStep(place) > 0 ? undefined : 'nothing is saved'),
    },
    {
      kind,
      name: 'no file may grow (metrics.jsonl)',
      args,
      fileLimitKib: 96,
      prepare: (place) => long(place, { totalSteps: 220, checkpoints: { every: 50 } }),
      check: (place) => (savedStep(place) > 0 ? undefined : 'nothing is saved'),
    },
  ];
}

/** @returns {Probe[]} */
export function trainings() {
  const train = ['train', '--config', 'config.json', '--out', 'run'];
  return [
    {
      kind: 'A6 divergence',
      name: 'learning rate 300',
      prepare: async ({ work, write }) => {
        const fields = tinyConfig(await writeTinyData(work), 60);
        write('config.json', {
          ...fields,
          optimizer: { type: 'sgd', lr: 300 },
          checkpoints: { every: 5, keepLast: 2 },
        });
      },
      args: train,
      check: (place) => {
        const steps = readdirSync(checkpoints(place)).filter((name) => /^step-\d+$/.test(name));
        return steps.length > 2 ? undefined : `only ${steps.join(' and ')} are kept`;
      },
    },
    ...['onnx', 'tfjs-cpu'].map((engine) => ({
      kind: 'B7 telemetry',
      alone: true,
      name: `a training with ${engine} leaves nothing in the home and the temporary folder`,
      prepare: async (/** @type {Place} */ { work, write }) => {
        write('config.json', { ...tinyConfig(await writeTinyData(work), 3), engine });
      },
      args: train,
      codes: [0],
      check: (/** @type {Place} */ { work }) =>
        existsSync(join(work, 'run', 'report.html')) ? undefined : 'no report',
    })),
    {
      kind: 'B7 telemetry',
      alone: true,
      name: 'doctor',
      args: ['doctor'],
    },
  ];
}
