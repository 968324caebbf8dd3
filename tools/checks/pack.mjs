// Packs the package in the current folder into tarball/, as for publishing. pnpm replaces the `workspace:*` versions of
// its dependencies; `npm pack` would not.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { pnpm } from '../bootstrap/commands.mjs';

const here = process.cwd();
const folder = join(here, 'tarball');
rmSync(folder, { recursive: true, force: true });
const { status, output } = await pnpm(['pack', '--pack-destination', folder], { quiet: true, cwd: here });
if (status !== 0) console.error(output);
process.exitCode = status;
