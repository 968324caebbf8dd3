/** Computes the bounds of the validation loss and writes them to `bounds/mnist-12.json`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { openOnnxEngine } from '@dm/jit';
import { boundsFile } from './report/bounds.js';
import { loadMnist12 } from './trial/data.js';
import { computeValidationBounds } from './trial/validation-bounds.js';

const engine = await openOnnxEngine();
const bounds = await computeValidationBounds(await loadMnist12('train'), await loadMnist12('test'), engine);
await engine.dispose();
const rounded = JSON.stringify(bounds, (_key, value: unknown) =>
  typeof value === 'number' ? Number(value.toPrecision(6)) : value,
);
mkdirSync(dirname(boundsFile), { recursive: true });
writeFileSync(boundsFile, `${rounded}\n`);
console.log(`${boundsFile}: ${rounded}`);
