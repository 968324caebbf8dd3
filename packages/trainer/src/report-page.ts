/** The look of report.html: one page with everything in it, drawn by uPlot. It loads nothing from anywhere. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** What the page shows. */
export interface ReportData {
  readonly title: string;
  /** Facts at the top: name and value. */
  readonly facts: readonly (readonly [string, string])[];
  /** Columns of metrics.jsonl that are plotted, by name, one entry a logged step. */
  readonly columns: Readonly<Record<string, readonly (number | null)[]>>;
  /** Probability of each timestep, relative to uniform, at several moments. */
  readonly densities: {
    readonly timesteps: readonly number[];
    readonly moments: readonly { readonly label: string; readonly values: readonly number[] }[];
  };
  readonly grids: readonly { readonly step: number; readonly dataUri: string }[];
  readonly config: unknown;
  readonly recorded: unknown;
}

/** The whole page as text. */
export function reportPage(data: ReportData): string {
  const require = createRequire(import.meta.url);
  const script = readFileSync(require.resolve('uplot/dist/uPlot.iife.min.js'), 'utf8');
  const style = readFileSync(require.resolve('uplot/dist/uPlot.min.css'), 'utf8');
  const last = data.grids.at(-1);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(data.title)}</title>
<style>${style}${css}</style>
</head>
<body>
<h1>${escapeHtml(data.title)}</h1>
<dl>${data.facts.map(([k, v]) => `<div><dt>${escapeHtml(k)}</dt><dd>${escapeHtml(v)}</dd></div>`).join('')}</dl>
<section>
<h2>Samples</h2>
${
  last === undefined
    ? '<p>None were made.</p>'
    : `<img id="grid" alt="samples" src="${last.dataUri}">
<p><input id="moment" type="range" min="0" max="${data.grids.length - 1}" value="${data.grids.length - 1}"
 aria-label="step of the samples"> step <output id="moment-step">${last.step}</output></p>`
}
</section>
<section>
<h2>Loss</h2>
<p><label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0.8"></label></p>
<div class="plot" id="loss"></div>
<h2>Loss by quarter of the timesteps</h2>
<p>Unweighted, smoothed as above; the first quarter is the cleanest.</p>
<div class="plot" id="quarters"></div>
<h2>Learning rate and momentum</h2>
<div class="plot" id="rates"></div>
<h2>Gradient norm</h2>
<div class="plot" id="norms"></div>
<h2>Which timesteps are trained on</h2>
<p>Probability of each timestep over that of uniform sampling, at several steps of the run.</p>
<div class="plot" id="density"></div>
</section>
<section>
<h2>Configuration</h2>
<pre>${escapeHtml(JSON.stringify(data.config, null, 2))}</pre>
<h2>Environment</h2>
<pre>${escapeHtml(JSON.stringify(data.recorded, null, 2))}</pre>
</section>
<script type="application/json" id="data">${jsonForScript({
    columns: data.columns,
    densities: data.densities,
    grids: data.grids,
  })}</script>
<script>${script}</script>
<script>${program}</script>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** JSON in which no `</script>` can end the element. */
function jsonForScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', String.raw`\u003c`);
}

const css = `
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2330; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2rem; } dt { color: #667; font-size: .85rem; } dd { margin: 0; font-weight: 600; }
img { image-rendering: pixelated; width: min(100%, 36rem); border: 1px solid #ccd; }
pre { background: #f4f5f8; padding: 1rem; overflow: auto; font-size: .85rem; }
p { margin: .3rem 0; } .plot { width: 100%; }
`;

/** Runs in the browser. */
const program = String.raw`
'use strict';
const { columns, densities, grids } = JSON.parse(document.getElementById('data').textContent);
const colors = ['#2563eb', '#d97706', '#059669', '#dc2626', '#7c3aed', '#475569'];
const plots = [];

// Exponential smoothing with the bias of the start removed; null stays null.
function smooth(values, share) {
  let mean = 0, weight = 0;
  return values.map((v) => {
    if (v === null) return null;
    mean = share * mean + (1 - share) * v;
    weight = share * weight + (1 - share);
    return mean / weight;
  });
}
// Three digits: uPlot's own labels stop at thousandths.
const ticks = (_, values) => values.map((v) => String(Number(v.toPrecision(3))));
function plot(id, x, lines, options) {
  const element = document.getElementById(id);
  const data = [x, ...lines.map((l) => l.values)];
  const instance = new uPlot({
    width: element.clientWidth, height: 280,
    scales: { x: { time: false }, ...(options && options.scales) },
    axes: [{ label: (options && options.x) || 'step' },
      ...((options && options.axes) || [{}]).map((axis) => ({ size: 70, values: ticks, ...axis }))],
    series: [{ label: (options && options.x) || 'step' }, ...lines.map((l, i) => ({
      label: l.label, stroke: l.color || colors[i % colors.length], width: l.width || 1.5, scale: l.scale || 'y',
      points: { show: x.length < 2 },
    }))],
  }, data, element);
  plots.push([instance, element]);
  return instance;
}

const step = columns.step;
const slider = document.getElementById('smoothing');
const quarters = [1, 2, 3, 4].map((q) => 'loss, quarter ' + q);
const lossData = () => [step, columns.loss, smooth(columns.loss, Number(slider.value))];
const quarterData = () => [step, ...quarters.map((q) => smooth(columns[q], Number(slider.value)))];
const lossPlot = plot('loss', step, [
  { label: 'loss', values: columns.loss, color: '#93b4f5', width: 1 },
  { label: 'smoothed', values: lossData()[2], color: '#1d4ed8', width: 2 },
]);
const quarterPlot = plot('quarters', step, quarters.map((q, i) => ({ label: q, values: quarterData()[i + 1] })));
slider.addEventListener('input', () => { lossPlot.setData(lossData()); quarterPlot.setData(quarterData()); });
plot('rates', step, [
  { label: 'learning rate', values: columns.lr },
  { label: 'momentum (beta1)', values: columns.beta1, scale: 'momentum' },
], { axes: [{ scale: 'y' }, { side: 1, scale: 'momentum', grid: { show: false } }] });
plot('norms', step, [{ label: 'gradient norm', values: columns.gradNorm }]);
plot('density', densities.timesteps, densities.moments, { x: 'timestep' });

const moment = document.getElementById('moment');
if (moment) moment.addEventListener('input', () => {
  const grid = grids[Number(moment.value)];
  document.getElementById('grid').src = grid.dataUri;
  document.getElementById('moment-step').value = grid.step;
});
addEventListener('resize', () => plots.forEach(([p, e]) => p.setSize({ width: e.clientWidth, height: 280 })));
`;
