// FID-like metrics of two folders of images: `tsx main.ts generated reference`.
import {
  createPixelExtractor,
  evaluate,
  extractFeatures,
  openFolderSource,
  openMobilenetExtractor,
  requiredFeatures,
} from '@dm/eval';
import { openOnnxEngine } from '@dm/jit';
import { writeDigits } from './write-digits.js';

const isSmoke = process.argv.includes('--smoke');
const count = isSmoke ? 100 : 1000;
const [
  generated = await writeDigits('runs/noisy-digits', { first: 0, count, noise: 60 }),
  reference = await writeDigits('runs/digits', { first: count, count, noise: 0 }),
] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

const engine = await openOnnxEngine();
const metrics = ['fid', 'kid', 'pr'] as const;
const needs = requiredFeatures(metrics);
for (const extractor of [createPixelExtractor(), await openMobilenetExtractor({ engine })]) {
  const a = await extractFeatures(await openFolderSource(generated), extractor, needs.generated);
  const b = await extractFeatures(await openFolderSource(reference), extractor, needs.reference);
  const { results, warnings } = evaluate(a, b, { metrics });
  for (const { label, value } of results) console.log(`${label.padEnd(14)} ${value.toFixed(3)}`);
  for (const warning of warnings) console.warn(warning);
}
await engine.dispose();
