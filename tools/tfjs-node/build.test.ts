// What the script says where a piece is missing. The build itself takes a wheel of half a gigabyte; it ends in a smoke
// test of its own, and tools/conformance runs every suite on what it built.
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

const touch = (path: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
};

describe.skipIf(process.platform !== 'linux')('tfjs-node is not built (these need Linux)', () => {
  it('without a libtensorflow', () => {
    expect(build([])).toEqual({
      status: 1,
      stderr: 'no libtensorflow: give --libtensorflow <folder>, or DM_PYTHON, a Python that has tensorflow',
    });
  });

  it('with a Python that has no tensorflow', () => {
    // Node is no Python, but it is there, and it too fails on what it is asked.
    expect(build([], process.execPath).stderr).toBe(
      `DM_PYTHON, ${process.execPath}, has no tensorflow: "${process.execPath} -m pip install tensorflow-cpu"`,
    );
  });

  it('with a folder that lacks libraries and headers: all are listed', () => {
    touch(join(folder, 'libtensorflow_cc.so.2'));
    expect(build(['--libtensorflow', folder]).stderr).toBe(
      `${folder} lacks libtensorflow_framework.so.2, include/tensorflow/c/c_api.h, include/tensorflow/c/eager/c_api.h; ` +
        '--libtensorflow is the folder "tensorflow" in a Python\'s site-packages',
    );
  });

  it("without Node's headers where they should be", () => {
    for (const file of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) touch(join(folder, file));
    for (const header of ['c_api.h', 'eager/c_api.h']) touch(join(folder, 'include/tensorflow/c', header));
    expect(build(['--libtensorflow', folder, '--nodedir', folder]).stderr).toBe(
      `--nodedir ${folder} has no include/node/node_api.h`,
    );
  });
});
