/** TensorBoard summaries of the lines of metrics.jsonl. Tags with the same prefix are grouped under one heading. */
import { logSnrBuckets, type DifficultyRecord, type NoiseBucket } from '@dm/eval';
import type { MetricsRecord } from '../run/metrics-record.js';
import type { SummaryValue } from './event.js';

const quarters = ['1_cleanest', '2', '3', '4_noisiest'] as const;

/** `numTimesteps` is T, the range of the histograms over timesteps. */
export function summaryOf(record: MetricsRecord, numTimesteps: number): SummaryValue[] {
  const scalars: Record<string, number | null> = {
    'train/loss': record.loss,
    'train/gradient_norm': record.gradNorm,
    'train/learning_rate': record.lr,
    'train/beta1': record.beta1,
    'train/ema_decay': record.emaDecay,
    'train/skipped_updates': record.skipped ?? 0,
    ...Object.fromEntries(quarters.map((name, q) => [`loss_by_quarter/${name}`, record.lossByQuarter[q] ?? null])),
    ...Object.fromEntries(Object.entries(record.eval ?? {}).map(([name, value]) => [`eval/${name}`, value])),
    ...validationScalars(record),
    'speed/images_per_second': record.imagesPerSecond,
    'speed/data_wait': record.dataWait,
    'speed/peak_mib': record.peakMb,
  };
  return [
    ...Object.entries(scalars).flatMap(([tag, scalar]) => (scalar === null ? [] : [{ tag, scalar }])),
    ...histograms(record, numTimesteps),
  ];
}

/** `validation/geometric_mean`, and `validation/01_log-snr_-5.0_to_-3.8` and so on, from noisy to clean. */
function validationScalars({ validation }: MetricsRecord): Record<string, number | null> {
  if (validation === undefined) return {};
  const ranges = logSnrBuckets(validation.buckets.length).map(({ from, to }, b) => [
    `validation/${String(b + 1).padStart(2, '0')}_log-snr_${from.toFixed(1)}_to_${to.toFixed(1)}`,
    validation.buckets[b]!,
  ]);
  return { 'validation/geometric_mean': validation.geometricMean, ...Object.fromEntries(ranges) };
}

/**
 * Summaries of the probe: `difficulty_loss/02_100-200` is the mean loss at timesteps in [100, 200). Non-finite values are
 * omitted.
 */
export function difficultySummary(
  { loss, gradNorm }: DifficultyRecord,
  buckets: readonly Pick<NoiseBucket, 'from' | 'to'>[],
): SummaryValue[] {
  const width = String(buckets.length).length;
  return buckets.flatMap(({ from, to }, b) => {
    const bucket = `${String(b + 1).padStart(width, '0')}_${from}-${to}`;
    return [
      { tag: `difficulty_loss/${bucket}`, scalar: loss[b]! },
      { tag: `difficulty_gradient_norm/${bucket}`, scalar: gradNorm[b]! },
    ].filter(({ scalar }) => Number.isFinite(scalar));
  });
}

/** Histograms over the timesteps: draws per level, and mean loss per level (0 if it was not drawn). */
function histograms({ drawsByLevel, lossByLevel }: MetricsRecord, numTimesteps: number): SummaryValue[] {
  if (drawsByLevel === undefined || lossByLevel === undefined) return [];
  const levels = drawsByLevel.length;
  const edges = Array.from({ length: levels + 1 }, (_, i) => (i * numTimesteps) / levels);
  return [
    { tag: 'timesteps/draws', histogram: { edges, heights: drawsByLevel } },
    { tag: 'timesteps/mean_loss', histogram: { edges, heights: lossByLevel.map((loss) => loss ?? 0) } },
  ];
}
