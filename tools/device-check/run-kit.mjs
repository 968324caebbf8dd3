// Unpacks the built kit into a temporary folder, and runs it on this machine, as `run.sh` does elsewhere.
//
//   nx run device-check:run -- --size tiny
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'dm-device-check-kit-'));
try {
  execFileSync('tar', ['-xJf', join(import.meta.dirname, 'dist/device-check.tar.xz'), '-C', folder]);
  const out = join(import.meta.dirname, 'dist/device-check.json');
  const { status } = spawnSync(join(folder, 'device-check/run.sh'), ['--out', out, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
