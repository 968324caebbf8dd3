import { readValues } from '../batch/read-values.js';
import type { Dataset, FloatType } from '../dataset.js';

export interface ChannelStatistics {
  /** Mean of the values: bytes / 255 in [0, 1], or floats as they are. */
  readonly mean: number;
  /** Standard deviation over all pixels of all images. */
  readonly std: number;
  readonly min: number;
  readonly max: number;
}

export interface DatasetDescription {
  readonly name: string;
  readonly length: number;
  /** [H, W, C]. */
  readonly shape: readonly [number, number, number];
  /** Only with data of floats, such as latents. */
  readonly dtype?: FloatType;
  readonly channels: readonly ChannelStatistics[];
  /** Number of images per class, in label order; empty without labels. */
  readonly classes: readonly { readonly name: string; readonly images: number }[];
  readonly notes: readonly string[];
  readonly sha256: string;
  /**
   * Images for a contact sheet: the first images of each class, one row per class, if there are at most `SHEET_CLASSES`
   * classes; otherwise evenly spaced images.
   */
  readonly sheet: { readonly indices: readonly number[]; readonly columns: number };
}

const SHEET_CLASSES = 20;
const SHEET_COLUMNS = 10;
const SHEET_ROWS = 10;
/** Bytes of images in memory at a time. */
const PASS_BYTES = 2 ** 22;

/**
 * Reads a dataset once and computes its statistics. `onProgress` receives the number of images read so far.
 * @throws {DataError} if an image cannot be read or decoded, or a checksum does not match
 */
export async function describeDataset(
  dataset: Dataset,
  options: { readonly onProgress?: (read: number) => void } = {},
): Promise<DatasetDescription> {
  const { name, length, shape, classes, notes = [] } = dataset;
  const [height, width, channels] = shape;
  const { floats } = dataset;
  // Counts of byte values are exact for any number of images.
  const histograms = floats === undefined ? Array.from({ length: channels }, () => new Float64Array(256)) : [];
  const sums = Array.from({ length: channels }, () => new FloatStatistics());
  const counts = classes.map(() => 0);
  const firstOfClass = classes.map((): number[] => []);
  const perRead = Math.max(1, Math.floor(PASS_BYTES / (height * width * channels)));
  for (let start = 0; start < length; start += perRead) {
    const count = Math.min(perRead, length - start);
    const chosen = Array.from({ length: count }, (_, i) => start + i);
    const { images, labels } = await (floats === undefined ? dataset.read(chosen) : readValues(dataset, chosen));
    for (let i = 0; i < images.length; i += channels) {
      for (let c = 0; c < channels; c++) {
        if (floats === undefined) histograms[c]![images[i + c]!]!++;
        else sums[c]!.add(images[i + c]!);
      }
    }
    labels?.forEach((label, i) => {
      counts[label]!++;
      if (firstOfClass[label]!.length < SHEET_COLUMNS) firstOfClass[label]!.push(start + i);
    });
    options.onProgress?.(start + count);
  }
  const rows = firstOfClass.filter((indices) => indices.length > 0);
  const byClass = rows.length > 0 && rows.length <= SHEET_CLASSES && rows.every((row) => row.length === SHEET_COLUMNS);
  const shown = Math.min(length, SHEET_COLUMNS * SHEET_ROWS);
  return {
    name,
    length,
    shape,
    ...(floats !== undefined && { dtype: floats.dtype }),
    channels: floats === undefined ? histograms.map(statistics) : sums.map((sum) => sum.finish()),
    classes: counts.some((count) => count > 0) ? classes.map((of, i) => ({ name: of, images: counts[i]! })) : [],
    notes,
    sha256: await dataset.hash(),
    sheet: {
      indices: byClass ? rows.flat() : Array.from({ length: shown }, (_, i) => Math.floor((i * length) / shown)),
      columns: SHEET_COLUMNS,
    },
  };
}

/** Sums in double precision, of differences to the first value, since large values would lose the deviation. */
class FloatStatistics {
  private readonly about = { count: 0, first: 0, sum: 0, squares: 0, min: Infinity, max: -Infinity };

  add(value: number): void {
    const { about } = this;
    if (about.count++ === 0) about.first = value;
    const difference = value - about.first;
    about.sum += difference;
    about.squares += difference ** 2;
    about.min = Math.min(about.min, value);
    about.max = Math.max(about.max, value);
  }

  finish(): ChannelStatistics {
    const { count, first, sum, squares, min, max } = this.about;
    const mean = sum / count;
    return { mean: first + mean, std: Math.sqrt(Math.max(0, squares / count - mean ** 2)), min, max };
  }
}

/** Mean and standard deviation of bytes / 255 from a histogram. */
function statistics(histogram: Float64Array): ChannelStatistics {
  let [total, sum, squares] = [0, 0, 0];
  histogram.forEach((count, value) => {
    total += count;
    sum += count * value;
    squares += count * value ** 2;
  });
  const mean = sum / total;
  const std = Math.sqrt(Math.max(0, squares / total - mean ** 2));
  const min = histogram.findIndex((count) => count > 0);
  const max = histogram.findLastIndex((count) => count > 0);
  return { mean: mean / 255, std: std / 255, min: min / 255, max: max / 255 };
}
