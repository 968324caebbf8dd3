// Packs the package in the current folder into tarball/, as it would be published. pnpm writes the real versions of
// its workspace dependencies; `npm pack` would leave `workspace:*` in the tarball.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pnpm } from '../bootstrap/commands.mjs';

const here = process.cwd();
const folder = join(here, 'tarball');
rmSync(folder, { recursive: true, force: true });
const { status, output } = await pnpm(['pack', '--pack-destination', folder], { quiet: true, cwd: here });
if (status !== 0) console.error(output);
process.exitCode = status;
