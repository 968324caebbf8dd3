// Copies the library into the package @dm/onnxruntime-<os>-<cpu> in the current folder before packing (`fill`), and
// removes it afterwards (`empty`). The library is not committed; it comes from the npm package onnxruntime-node, in the
// version that @dm/jit is tested with. Its tarball contains the library, so its install script is not needed.
import { copyFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { root } from '../bootstrap/commands.mjs';

/** The files that git ignores: path in the package → source. */
function files() {
  const { exports, publishConfig } = JSON.parse(readFileSync('package.json', 'utf8'));
  const [[os], [cpu]] = [publishConfig.os, publishConfig.cpu];
  const runtime = createRequire(join(root, 'packages/jit/package.json')).resolve('onnxruntime-node/package.json');
  const library = exports['./library'];
  return {
    [library]: join(dirname(runtime), 'bin', 'napi-v6', os, cpu, basename(library)),
    LICENSE: join(import.meta.dirname, 'LICENSE'),
    THIRD_PARTY_NOTICES: join(import.meta.dirname, 'ThirdPartyNotices.txt'),
  };
}

const [action] = process.argv.slice(2);
for (const [target, source] of Object.entries(files())) {
  if (action === 'fill') {
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(source, target);
  } else if (action === 'empty') {
    rmSync(target, { force: true });
    if (dirname(target) !== '.') rmSync(dirname(target), { recursive: true, force: true });
  } else {
    throw new Error('usage: node library.mjs fill|empty');
  }
}
