/** Trains the classifier whose features FD-classifier and KD-classifier use, and writes its weights. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { trainClassifier } from '@dm/eval';
import { openOnnxEngine } from '@dm/jit';
import { loadMnist12 } from './trial/data.js';
import { extractorFile } from './trial/sample-quality.js';

const engine = await openOnnxEngine();
const trained = await trainClassifier({
  train: await loadMnist12('train'),
  test: await loadMnist12('test'),
  engine,
  onProgress: (done, of, loss) => {
    if (done % 12_800 === 0) console.log(`${done} of ${of} images, loss ${loss.toFixed(4)}`);
  },
});
await engine.dispose();
mkdirSync(dirname(extractorFile), { recursive: true });
writeFileSync(extractorFile, trained.file);
console.log(`${extractorFile}: ${(100 * trained.testAccuracy).toFixed(2)}% test accuracy, ${trained.sha256}`);
