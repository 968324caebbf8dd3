// Tests the messages for missing requirements. The build itself needs a wheel of half a gigabyte; it ends with a smoke
// test, and tools/conformance tests the result.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const script = fileURLToPath(new URL('build.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dm-tfjs-node-'));
afterAll(() => rmSync(folder, { recursive: true }));

function build(args: readonly string[], python = '') {
  const env = { ...process.env, DM_PYTHON: python };
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env });
  return { status, stderr: stderr.trim() };
}

/** Exits with 1 and an error message, without a stack trace, that contains these texts. */
function expectFailure({ status, stderr }: ReturnType<typeof build>, contains: readonly string[]) {
  expect(status).toBe(1);
  expect(stderr.split('\n')).toHaveLength(1);
  for (const text of contains) expect(stderr).toContain(text);
}

const touch = (path: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
};

describe.skipIf(process.platform !== 'linux')('build.mjs (Linux only) rejects', () => {
  it('a missing libtensorflow', () => {
    expectFailure(build([]), ['libtensorflow', '--libtensorflow', 'DM_PYTHON']);
  });

  it('a Python without tensorflow', () => {
    // Node stands in for a Python: it also fails to run the script.
    expectFailure(build([], process.execPath), ['DM_PYTHON', `${process.execPath} -m pip install tensorflow-cpu`]);
  });

  it('a folder without libraries and headers, and lists all missing files', () => {
    touch(join(folder, 'libtensorflow_cc.so.2'));
    const missing = 'libtensorflow_framework.so.2, include/tensorflow/c/c_api.h, include/tensorflow/c/eager/c_api.h';
    expectFailure(build(['--libtensorflow', folder]), [folder, missing, 'site-packages']);
  });

  it("a --nodedir without Node's headers", () => {
    for (const file of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) touch(join(folder, file));
    for (const header of ['c_api.h', 'eager/c_api.h']) touch(join(folder, 'include/tensorflow/c', header));
    const result = build(['--libtensorflow', folder, '--nodedir', folder]);
    expectFailure(result, [`--nodedir ${folder}`, 'include/node/node_api.h']);
  });
});
