/** Renders the dashboard: a pure function of the state of training and the size of the terminal. */
import sparkly from 'sparkly';
import type { MetricsRecord } from '../run/metrics-record.js';
import { escapeText } from '../text/escape.js';
import { formatDuration } from './duration.js';
import { etaSeconds } from './progress.js';
import type { DashboardState, WrittenFile } from './dashboard-state.js';

/** Width of the name column, in characters. */
const nameWidth = 12;
const smallestBar = 10;

/** Lines of at most `columns` characters, without colors, for a terminal with `rows` lines. */
export function renderDashboard(state: DashboardState, columns: number, rows: number): string {
  const { started, latest } = state;
  const { phase = '' } = state;
  if (started === undefined) return phase === '' ? '' : escapeText(`${phase} ...`).slice(0, Math.max(columns - 1, 1));
  const width = Math.max(columns - 1, nameWidth);
  const { model, parameters, engine, out, step, totalSteps } = started;
  const lines = [
    `${model}, ${parameters.toLocaleString('en')} parameters, on ${engine}; output folder ${out}`,
    progressBar(latest?.step ?? step, totalSteps, width),
    ...(latest === undefined
      ? [row('', phase === '' ? 'waiting for the first logged step' : `${phase} ...`)]
      : recordLines(latest, state.losses, totalSteps, width)),
    row('checkpoint', written(state.checkpoint)),
    row('samples', written(state.sample)),
  ];
  return lines
    .map((line) => escapeText(line).slice(0, width))
    .slice(0, Math.max(1, rows - 1)) // what does not fit could not be wiped away again
    .join('\n');
}

function recordLines(record: MetricsRecord, losses: readonly number[], totalSteps: number, width: number): string[] {
  const { loss, lossByQuarter, lr, beta1, gradNorm, imagesPerSecond, dataWait, peakMb, skipped = 0 } = record;
  const value = loss.toFixed(4);
  const evaluated = Object.entries(record.eval ?? {});
  return [
    row('loss', `${value}  ${sparkline(losses, width - nameWidth - value.length - 2)}`),
    row('  by quarter', `${lossByQuarter.map((q) => q?.toFixed(4) ?? '-').join('  ')}  (of t, clean to noisy)`),
    ...(evaluated.length > 0
      ? [row('evaluation', evaluated.map(([name, figure]) => `${name} ${figure.toPrecision(4)}`).join('  '))]
      : []),
    row('optimizer', `lr ${lr.toExponential(2)}  beta1 ${beta1.toFixed(4)}  gradient norm ${gradNorm.toPrecision(3)}`),
    row(
      'speed',
      `${imagesPerSecond.toPrecision(3)} images/s  ETA ${formatDuration(etaSeconds(record, totalSteps))}  ` +
        `data wait ${(100 * dataWait).toFixed(1)}%  memory ${peakMb} MiB peak`,
    ),
    ...(skipped > 0 ? [row('skipped', `${skipped} updates with a non-finite loss or gradient`)] : []),
  ];
}

/** `step 250/1000  25%  █████──────`, padded to `width`. */
function progressBar(step: number, totalSteps: number, width: number): string {
  const share = step / totalSteps;
  const text = `step ${step}/${totalSteps}  ${Math.floor(100 * share)}%  `;
  const room = width - text.length;
  if (room < smallestBar) return text.trimEnd();
  const done = Math.floor(room * share);
  return text + '█'.repeat(done) + '─'.repeat(room - done);
}

/** The last `width` values as bars, scaled between their minimum and maximum. */
function sparkline(values: readonly number[], width: number): string {
  const shown = width > 0 ? values.slice(-width) : [];
  if (shown.length < 2) return '';
  return sparkly([...shown], { minimum: Math.min(...shown), maximum: Math.max(...shown) });
}

function row(name: string, text: string): string {
  return name.padEnd(nameWidth) + (name.length < nameWidth ? '' : ' ') + text;
}

function written(file: WrittenFile | undefined): string {
  return file === undefined ? 'none yet' : `step ${file.step}: ${file.path}`;
}
