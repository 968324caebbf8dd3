import { openMnist, writeNpz } from '@dm/data';
import { exportModel, train, type PartialConfig } from '@dm/trainer';

/** Replaces a downloaded checkpoint: trains on MNIST, and exports a folder in the format of diffusers. */
export async function writeOwnPipeline(out: string, config: PartialConfig): Promise<string> {
  const run = await train({ preset: 'mnist', ...config, out: `${out}-run` });
  return (await exportModel({ run: run.out, format: 'diffusers', out })).out;
}

/** Replaces your images: black digits on white, which the checkpoint has never seen. */
export async function writeWhiteDigits(path: string, count: number): Promise<string> {
  const digits = await openMnist({ from: import.meta.url });
  const { images, labels } = await digits.read(Array.from({ length: count }, (_, i) => i));
  await writeNpz(path, {
    images: { shape: [count, ...digits.shape], data: Uint8Array.from(images, (gray) => 255 - gray) },
    labels: { shape: [count], data: labels! },
  });
  return path;
}
