/** What TensorBoard is shown of a line of metrics.jsonl. Tags with the same first part are drawn under one heading. */
import type { DifficultyRecord, NoiseBucket } from '@dm/eval';
import type { MetricsRecord } from '../run/metrics.js';
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
    'speed/images_per_second': record.imagesPerSecond,
    'speed/data_wait': record.dataWait,
    'speed/peak_mib': record.peakMb,
  };
  return [
    ...Object.entries(scalars).flatMap(([tag, scalar]) => (scalar === null ? [] : [{ tag, scalar }])),
    ...histograms(record, numTimesteps),
  ];
}

/**
 * What the probe measured: `difficulty_loss/02_100-200` is the mean loss at timesteps from 100 to below 200. A value that is
 * no number is left out.
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

/** Over the timesteps: how often each level was drawn, and its mean loss (0 where it was not drawn). */
function histograms({ drawsByLevel, lossByLevel }: MetricsRecord, numTimesteps: number): SummaryValue[] {
  if (drawsByLevel === undefined || lossByLevel === undefined) return [];
  const levels = drawsByLevel.length;
  const edges = Array.from({ length: levels + 1 }, (_, i) => (i * numTimesteps) / levels);
  return [
    { tag: 'timesteps/draws', histogram: { edges, heights: drawsByLevel } },
    { tag: 'timesteps/mean_loss', histogram: { edges, heights: lossByLevel.map((loss) => loss ?? 0) } },
  ];
}
