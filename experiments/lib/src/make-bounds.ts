/** Computes the bounds of the validation loss and writes them to `bounds/mnist-12.json`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { openOnnxEngine } from '@dm/jit';
import { boundsFile, type ValidationBounds } from './report/bounds.js';
import { loadMnist12 } from './trial/data.js';
import { computeRangeBounds, computeValidationBounds } from './trial/validation-bounds.js';

const engine = await openOnnxEngine();
const [train, test] = [await loadMnist12('train'), await loadMnist12('test')];
const bounds: ValidationBounds = {
  ...(await computeValidationBounds(train, test, engine)),
  ranges: await computeRangeBounds(train, test, engine),
};
await engine.dispose();
const rounded = JSON.stringify(bounds, (_key, value: unknown) =>
  typeof value === 'number' ? Number(value.toPrecision(6)) : value,
);
mkdirSync(dirname(boundsFile), { recursive: true });
writeFileSync(boundsFile, `${rounded}\n`);
console.log(`${boundsFile}: ${rounded}`);
