/** Throughput and memory use of an extractor. */
import { checkInteger } from '@dm/ops';
import type { FeatureExtractor } from '@dm/eval';

export interface ThroughputOptions {
  /** Number of images to time. Default: 1000. */
  readonly count?: number;
  /** [H, W, C]. Default: 32x32x3. */
  readonly shape?: readonly [number, number, number];
  /** Images per call. Default: 64, as in `extractFeatures`. */
  readonly batchSize?: number;
  readonly onProgress?: (name: string, done: number, of: number) => void;
}

export interface Throughput {
  readonly extractor: string;
  readonly count: number;
  readonly shape: readonly [number, number, number];
  readonly imagesPerSecond: number;
  readonly seconds: number;
  /** Duration of the first batch, in which an engine compiles; not included in `seconds`. */
  readonly firstSeconds: number;
  /** Resident memory in MiB after a tenth of the images, and at the end. */
  readonly memoryMb: { readonly early: number; readonly end: number };
}

/**
 * Times an extractor on noise images; their content does not affect the time.
 *
 * @throws {RangeError} if `count` is below 1
 */
export async function measureThroughput(
  extractor: FeatureExtractor,
  options: ThroughputOptions = {},
): Promise<Throughput> {
  const { count = 1000, shape = [32, 32, 3], batchSize = 64, onProgress } = options;
  for (const [name, value] of Object.entries({ count, height: shape[0], width: shape[1], batchSize })) {
    checkInteger(name, value, 1);
  }
  const size = shape[0] * shape[1] * shape[2];
  const noise = Uint8Array.from({ length: batchSize * size }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24);
  const extract = (n: number) =>
    extractor.features({ data: noise.subarray(0, n * size), shape: [n, ...shape] as [number, number, number, number] });

  const began = performance.now();
  await extract(batchSize);
  const firstSeconds = (performance.now() - began) / 1000;

  let early: number | undefined;
  const timed = performance.now();
  for (let done = 0; done < count;) {
    const n = Math.min(batchSize, count - done);
    await extract(n);
    done += n;
    if (done >= count / 10) early ??= memoryMb();
    onProgress?.(extractor.name, done, count);
  }
  const seconds = (performance.now() - timed) / 1000;
  return {
    extractor: extractor.name,
    count,
    shape,
    imagesPerSecond: count / seconds,
    seconds,
    firstSeconds,
    memoryMb: { early: early!, end: memoryMb() },
  };
}

function memoryMb(): number {
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}

/** A human-readable line. */
export function throughputText(measured: Throughput): string {
  const { extractor, count, shape, imagesPerSecond, seconds, firstSeconds, memoryMb: memory } = measured;
  return (
    `${extractor}: ${imagesPerSecond.toPrecision(3)} images/s (${count} images of ${shape.join('x')} in ` +
    `${seconds.toPrecision(3)} s; first batch ${firstSeconds.toPrecision(3)} s; memory ${memory.early} MiB after a tenth, ` +
    `${memory.end} MiB at the end)`
  );
}
