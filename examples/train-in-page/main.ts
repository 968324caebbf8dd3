// The page: shows the loss, and samples as the model learns. The training runs in a worker.
import { connectTraining } from '@dm/trainer/browser';

const isSmoke = location.search === '?smoke';
const status = document.getElementById('status')!;
const canvas = document.getElementById('samples') as HTMLCanvasElement;
const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });

const training = connectTraining(
  worker,
  {
    model: { type: 'dit', patch_size: 4, hidden_size: 64, depth: 4, num_heads: 4 },
    batchSize: isSmoke ? 4 : 32,
    totalSteps: isSmoke ? 4 : 2000,
    samples: 16,
    sampleEvery: isSmoke ? 2 : 100,
    sampler: { type: 'ddim', steps: isSmoke ? 2 : 20 },
  },
  {
    onStep: ({ step, result }) => (status.textContent = `Step ${step}: loss ${result.loss.toFixed(3)}`),
    onSamples: ({ data }) => draw(data),
    onNote: console.warn,
  },
);
try {
  const { step } = await training.run();
  status.textContent = `Finished after ${step} steps`;
} catch (error) {
  status.textContent = `Training has ended: ${String(error)}`;
}

/** Draws 16 grayscale images of 16x16 pixels, values in [-1, 1], in rows of four. */
function draw(data: Float32Array): void {
  const context = canvas.getContext('2d')!;
  for (let n = 0; n < 16; n++) {
    const image = new ImageData(16, 16);
    for (let i = 0; i < 256; i++) {
      const gray = 127.5 * (1 + data[256 * n + i]!);
      image.data.set([gray, gray, gray, 255], 4 * i);
    }
    context.putImageData(image, 16 * (n % 4), 16 * Math.floor(n / 4));
  }
}
