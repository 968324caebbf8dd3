/** report.html: one self-contained page with uPlot charts. It loads nothing from the network. */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { readTextFile } from '@dm/files';
import { renderReport, formatNumber, smoothed, viridis, type PageData } from './browser.js';
import { compareConfigs } from './config-table.js';
import type { ProbeData, RunData, ValidationData } from './run-data.js';
import { style } from './style.js';

/** The HTML of the page about one run, or comparing several. */
export function reportPage(runs: readonly RunData[]): string {
  const require = createRequire(import.meta.url);
  const library = readTextFile(require.resolve('uplot/dist/uPlot.iife.min.js'));
  const libraryStyle = readTextFile(require.resolve('uplot/dist/uPlot.min.css'));
  const title = `${runs.length === 1 ? 'Run' : 'Runs'} ${runs.map((run) => run.name).join(', ')}`;
  const data: PageData = {
    runs: runs.map(({ name, columns, probe, density, loss, grids }) => ({
      name,
      columns,
      ...(probe !== undefined && { probe }),
      density,
      loss,
      grids,
    })),
  };
  const allStyle = libraryStyle + style;
  const script = `
'use strict';
(${String(renderReport)})(uPlot, JSON.parse(document.getElementById('data').textContent), {
smoothed: ${String(smoothed)},
viridis: ${String(viridis)},
formatNumber: ${String(formatNumber)},
});
`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentSecurityPolicy([library, script], [allStyle])}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="data:,">
<style>${allStyle}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${factsTable(runs)}
${controls}
<main>
${samples(runs)}
${section('Loss', 'Weighted, as optimized. Faint: unsmoothed.', chart('loss', { unit: 'loss', smooth: true }))}
${section(
  'Loss by noise level',
  'Unweighted. Charts: quarters of the timesteps, from clean to noisy, smoothed as above. Maps: twenty equal parts.',
  quarters(runs) + maps(runs, 'loss'),
)}
${section(
  'Timestep density',
  'Probability of training on a timestep, relative to uniform sampling, over the run. Noise grows with the timestep.',
  maps(runs, 'density'),
)}
${difficulties(runs)}
${validations(runs)}
${evaluations(runs)}
${section(
  'Learning rate and momentum',
  '',
  two(chart('lr', { unit: 'learning rate' }), chart('beta1', { unit: 'momentum (beta1)' })),
)}
${section('Gradient norm', 'Before clipping, smoothed as above.', chart('gradNorm', { unit: '2-norm', smooth: true }))}
${skips(runs)}
${section(
  'Speed',
  'Throughput excluding samples and checkpoints; fraction of the step time spent waiting for data.',
  two(chart('imagesPerSecond', { unit: 'images per second' }), chart('dataWait', { unit: 'data wait in %' })),
)}
${section(
  'Configuration',
  '',
  (runs.length > 1 ? '<p><label><input type="checkbox" id="only-differences"> only differences</label></p>' : '') +
    fieldTable(
      runs,
      runs.map((run) => run.config),
    ),
)}
${section(
  'Environment',
  '',
  fieldTable(
    runs,
    runs.map((run) => run.environment),
  ),
)}
</main>
<script type="application/json" id="data">${jsonForScript(data)}</script>
<script>${library}</script>
<script>${script}</script>
</body>
</html>
`;
}

/**
 * Allows only the page's own scripts and styles, by their hashes, and inline images: nothing else is loaded, sent or run,
 * whatever the data of a run contains.
 */
function contentSecurityPolicy(scripts: readonly string[], styles: readonly string[]): string {
  const hashes = (texts: readonly string[]) =>
    texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ');
  return (
    `default-src 'none'; script-src ${hashes(scripts)}; style-src ${hashes(styles)}; img-src data:; ` +
    "base-uri 'none'; form-action 'none'"
  );
}

const controls = `<form id="controls" aria-label="chart settings">
<fieldset><legend>x axis</legend>
<label><input type="radio" name="x" value="step" checked> steps</label>
<label><input type="radio" name="x" value="images"> images</label>
<label><input type="radio" name="x" value="minutes"> time</label></fieldset>
<label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0.8" autocomplete="off">
<output id="smoothing-share"></output></label>
<label><input id="log" type="checkbox" autocomplete="off"> logarithmic loss</label>
</form>`;

function factsTable(runs: readonly RunData[]): string {
  const names = [...new Set(runs.flatMap((run) => run.facts.map(([name]) => name)))];
  const row = (run: RunData, r: number) => {
    const values = new Map(run.facts);
    return `<tr><th>${swatch(runs, r)}${escapeHtml(run.name)}</th>${names.map((name) => `<td>${escapeHtml(values.get(name) ?? '')}</td>`).join('')}</tr>`;
  };
  return `<div class="scroll"><table id="facts"><thead><tr><th>run</th>${names.map((name) => `<th>${escapeHtml(name)}</th>`).join('')}</tr></thead>
<tbody>${runs.map(row).join('')}</tbody></table></div>`;
}

function samples(runs: readonly RunData[]): string {
  if (runs.every((run) => run.grids.length === 0)) return section('Samples', 'No samples yet.', '');
  const steps = new Set(runs.flatMap((run) => run.grids.map((grid) => grid.step)));
  const figures = runs.map(
    (run, r) =>
      `<figure>${caption(runs, r)}${
        run.grids.length === 0
          ? '<p>No samples yet.</p>'
          : `<img id="grid-${r}" alt="samples of ${escapeHtml(run.name)}">`
      }</figure>`,
  );
  return section(
    'Samples',
    'From the same noise at every step, with the EMA weights.',
    `<div class="slider"><label for="moment">step</label><input id="moment" type="range" min="0" max="${steps.size - 1}"
 value="${steps.size - 1}" autocomplete="off"><output id="moment-step" for="moment"></output></div>
<div class="grids">${figures.join('')}</div>`,
  );
}

/** One run: one chart with four lines. Several runs: one chart per quarter, one line per run. */
function quarters(runs: readonly RunData[]): string {
  const names = ['cleanest quarter', 'second quarter', 'third quarter', 'noisiest quarter'];
  const columns = names.map((_, q) => `quarter${q + 1}`);
  if (runs.length === 1) {
    return chart(columns.join('|'), { unit: 'loss', smooth: true, labels: names });
  }
  return two(
    ...columns.map((column, q) => `<div><h3>${names[q]}</h3>${chart(column, { unit: 'loss', smooth: true })}</div>`),
  );
}

function maps(runs: readonly RunData[], kind: 'density' | 'loss'): string {
  const of = kind === 'density' ? 'density of the timesteps' : 'loss by timestep';
  return two(
    ...runs.map(
      (run, r) => `<figure>${caption(runs, r)}<div class="map" data-map="${kind}" data-run="${r}" role="img"
 aria-label="${of} over the steps of ${escapeHtml(run.name)}, as a heat map"></div><div class="readout"></div></figure>`,
    ),
  );
}

/** Probe results of runs that have them: two charts per run with one line per noise range, and a table of times. */
function difficulties(runs: readonly RunData[]): string {
  const probed = runs.flatMap((run, r) => (run.probe === undefined ? [] : [{ probe: run.probe, r }]));
  if (probed.length === 0) return '';
  const figure = ({ probe: { buckets }, r }: (typeof probed)[number], column: string, unit: string) => {
    const columns = buckets.map((_, b) => `${column}${b + 1}`).join('|');
    const labels = buckets.map(rangeName);
    return `<figure>${caption(runs, r)}${chart(columns, { unit, labels, table: 'probe', run: r })}</figure>`;
  };
  const about = [...new Set(probed.map(({ probe }) => probe.about))].join('; ');
  return section(
    'Difficulty by noise level',
    `Measured periodically on fixed images: ${escapeHtml(about)}. One line per timestep range; darker is cleaner.`,
    two(...probed.flatMap((one) => [figure(one, 'loss', 'loss'), figure(one, 'gradNorm', 'gradient norm')])) +
      learnedTable(runs, probed),
  );
}

/** One row per timestep range; runs with the same ranges share a table. */
function learnedTable(
  runs: readonly RunData[],
  probed: readonly { readonly probe: ProbeData; readonly r: number }[],
): string {
  const names = [...new Set(probed.flatMap(({ probe }) => probe.buckets.map(rangeName)))];
  const cell = (name: string) => (one: (typeof probed)[number]) => {
    const bucket = one.probe.buckets.find((b) => rangeName(b) === name);
    return `<td>${bucket?.learnedBy == null ? '–' : Math.round(bucket.learnedBy)}</td>`;
  };
  const heads = probed.map(({ r }) => `<th>${swatch(runs, r)}${escapeHtml(runs[r]!.name)}</th>`).join('');
  const rows = names.map((name) => `<tr><th>${name}</th>${probed.map(cell(name)).join('')}</tr>`).join('');
  return `<h3>Steps until the loss has covered 90% of its decrease for good</h3>
<div class="scroll"><table id="learned"><thead><tr><th>timesteps</th>${heads}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function rangeName({ from, to }: { readonly from: number; readonly to: number }): string {
  return `${from}–${to - 1}`;
}

function skips(runs: readonly RunData[]): string {
  if (runs.every((run) => run.columns['skipped'] === undefined)) return '';
  return section(
    'Skipped updates',
    'Updates with a non-finite loss or gradient, counted from the start of the run.',
    chart('skipped', { unit: 'updates' }),
  );
}

function evaluations(runs: readonly RunData[]): string {
  const names = [
    ...new Set(runs.flatMap((run) => Object.keys(run.columns).filter((name) => name.startsWith('eval ')))),
  ];
  if (names.length === 0) return '';
  return section(
    'Evaluation',
    'Samples compared with the data; lower is better.',
    two(...names.map((name) => chart(name, { unit: name.slice('eval '.length) }))),
  );
}

/** The geometric mean over training, by noise range for a single run, and a table of the newest losses and the bounds. */
function validations(runs: readonly RunData[]): string {
  const validated = runs.flatMap(({ validation }, r) => (validation === undefined ? [] : [{ validation, r }]));
  if (validated.length === 0) return '';
  const about = [...new Set(validated.map(({ validation }) => validation.about))].join('; ');
  const { ranges } = validated[0]!.validation;
  const byRange = chart(ranges.map((_, b) => `validation${b + 1}`).join('|'), { unit: 'loss', labels: ranges });
  const mean = chart('validation', { unit: 'geometric mean' });
  return section(
    'Validation loss',
    `${escapeHtml(about)}. Geometric mean: every range counts the same. A network below the Wiener filter has learned more ` +
      'than mean and covariance.',
    (runs.length === 1 ? two(mean, byRange) : mean) + validated.map((one) => validationTable(runs, one)).join(''),
  );
}

function validationTable(
  runs: readonly RunData[],
  { validation: { ranges, rows }, r }: { readonly validation: ValidationData; readonly r: number },
): string {
  const heads = Object.keys(rows).map((name) => `<th>${escapeHtml(name)}</th>`);
  const text = (value: number | null | undefined) =>
    value == null ? '–' : Number.isNaN(value) ? 'NaN' : formatNumber(value);
  const cell = (value: number | null | undefined) => `<td>${text(value)}</td>`;
  const lines = [...ranges, 'geometric mean'].map(
    (title, b) =>
      `<tr><th>${title}</th>${Object.values(rows)
        .map((losses) => cell(losses[b]))
        .join('')}</tr>`,
  );
  return `<figure>${caption(runs, r)}<div class="scroll"><table class="validation"><thead><tr><th>log-SNR</th>${heads.join('')}</tr></thead>
<tbody>${lines.join('')}</tbody></table></div></figure>`;
}

interface ChartOptions {
  readonly unit: string;
  readonly smooth?: boolean;
  readonly labels?: readonly string[];
  /** `probe`: use the probe's columns, colored in order of noise, on a logarithmic scale. */
  readonly table?: 'probe';
  /** Index of the only run to show. */
  readonly run?: number;
}

function chart(columns: string, { unit, smooth = false, labels = [unit], table, run }: ChartOptions): string {
  const only = (table === undefined ? '' : ` data-table="${table}"`) + (run === undefined ? '' : ` data-run="${run}"`);
  return `<div class="chart" data-columns="${escapeHtml(columns)}" data-unit="${escapeHtml(unit)}"${only}
 data-labels="${escapeHtml(labels.join('|'))}" data-smooth="${smooth ? 'yes' : 'no'}" role="group"
 aria-label="curve of ${escapeHtml(labels.join(', '))}; use the arrow keys to move between points"></div>`;
}

function fieldTable(runs: readonly RunData[], configs: readonly Readonly<Record<string, string>>[]): string {
  const rows = compareConfigs(configs).map(
    ({ field, values, differs }) =>
      `<tr class="${differs ? 'differs' : 'same'}"><th>${escapeHtml(field)}</th>${values.map((v) => `<td>${escapeHtml(v ?? '–')}</td>`).join('')}</tr>`,
  );
  const heads = runs.map((run, r) => `<th>${swatch(runs, r)}${escapeHtml(run.name)}</th>`).join('');
  return `<div class="scroll"><table class="fields"><thead><tr><th>field</th>${heads}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function caption(runs: readonly RunData[], r: number): string {
  return runs.length === 1 ? '' : `<figcaption>${swatch(runs, r)}${escapeHtml(runs[r]!.name)}</figcaption>`;
}

function swatch(runs: readonly RunData[], r: number): string {
  return runs.length === 1 ? '' : `<span class="swatch line-${(r % 8) + 1}"></span>`;
}

function section(title: string, about: string, body: string): string {
  return `<section>\n<h2>${title}</h2>\n${about === '' ? '' : `<p>${about}</p>\n`}${body}\n</section>`;
}

function two(...parts: readonly string[]): string {
  return `<div class="two">${parts.join('\n')}</div>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** JSON that cannot contain `</script>`, which would end the element. */
function jsonForScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
}
