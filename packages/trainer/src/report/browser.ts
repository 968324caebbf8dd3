/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * Code that runs in the browser. The source text of each function is inserted into the page, so a function must not refer
 * to anything outside itself; dependencies are passed as arguments.
 */
import type uPlot from 'uplot';
import type { HeatMap } from './heat-maps.js';
import type { RunData } from './run-data.js';

/** The JSON data embedded in the page. */
export interface PageData {
  readonly runs: readonly Pick<RunData, 'name' | 'columns' | 'probe' | 'density' | 'loss' | 'grids'>[];
}

/** Bias-corrected exponential smoothing; null stays null. `share` in [0, 1) is the decay per point. */
export function smoothed(values: readonly (number | null)[], share: number): (number | null)[] {
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = share * mean + (1 - share) * value;
    weight = share * weight + (1 - share);
    return mean / weight;
  });
}

/** matplotlib's viridis color map at `share` in [0, 1], interpolated between nine of its colors. */
export function viridis(share: number): string {
  const stops = [0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725];
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  const channel = (shift: number) => {
    const [a, b] = [(stops[low]! >> shift) & 255, (stops[low + 1]! >> shift) & 255];
    return Math.round(a + (b - a) * (at - low));
  };
  return `rgb(${channel(16)}, ${channel(8)}, ${channel(0)})`;
}

/** Three significant digits, or an integer of up to five: `0.00123`, `1234`, `123k`, `1.5M`. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '';
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (Number.isInteger(value) && size < 1e5) return String(value);
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return size > 0 && size < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** Draws all charts in the page and connects its controls. */
export function renderReport(
  Plot: typeof uPlot,
  { runs }: PageData,
  help: { smoothed: typeof smoothed; viridis: typeof viridis; formatNumber: typeof formatNumber },
): void {
  const element = (id: string) => document.getElementById(id);
  const input = (id: string) => document.getElementById(id) as HTMLInputElement | null;
  const style = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const color = (i: number) => style(`--line-${(i % 8) + 1}`);
  const isSingle = runs.length === 1;
  const setting = {
    x: () => document.querySelector<HTMLInputElement>('input[name="x"]:checked')!.value,
    share: () => Number(input('smoothing')!.value),
    log: () => input('log')!.checked,
  };
  const xLabels: Record<string, string> = { step: 'step', images: 'images seen', minutes: 'training time in minutes' };
  const drawn: { plot: uPlot; box: HTMLElement; refresh: () => void }[] = [];
  const axis = (label: string, more: Partial<uPlot.Axis> = {}): uPlot.Axis => ({
    label,
    stroke: () => style('--muted'),
    grid: { stroke: () => style('--grid'), width: 1 },
    ticks: { stroke: () => style('--grid'), width: 1 },
    font: '12px system-ui, sans-serif',
    labelFont: '12px system-ui, sans-serif',
    size: 34,
    labelSize: 18,
    values: (_, values) => values.map(help.formatNumber),
    ...more,
  });
  const widthOf = (box: HTMLElement) => Math.max(240, box.clientWidth);

  /** uPlot's `distr` 3 is logarithmic; the named constant exists only in its types. */
  const scaleOf = (isLog: boolean) => Plot.assign({}, isLog ? { distr: 3 } : {}) as uPlot.Scale;

  /** Colors follow the order of noise. One end of viridis is invisible on white, the other on black. */
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const inOrder = (at: number, of: number) => help.viridis((dark.matches ? 0.2 : 0) + (0.8 * at) / Math.max(1, of - 1));

  /** One chart, with one line per column and run. The data attributes of `box` say what to show. */
  function chart(box: HTMLElement): void {
    const names = box.dataset['columns']!.split('|');
    const labels = (box.dataset['labels'] ?? '').split('|');
    const isSmooth = box.dataset['smooth'] === 'yes';
    const isProbe = box.dataset['table'] === 'probe';
    const only = box.dataset['run'];
    const byColumn = isSingle || only !== undefined;
    const lines = runs.flatMap((run, r) => {
      if (only !== undefined && r !== Number(only)) return [];
      const columns = (isProbe ? run.probe?.columns : run.columns) ?? {};
      return names
        .filter((name) => columns[name]?.some((v) => v !== null))
        .map((name) => {
          const at = names.indexOf(name);
          const own = isProbe ? inOrder(at, names.length) : color(byColumn ? at : r);
          return { columns, name, stroke: own, label: byColumn ? labels[at] || name : run.name };
        });
    });
    if (lines.length === 0) {
      box.textContent = 'Nothing was logged.';
      return;
    }
    const showsRaw = isSmooth && names.length === 1;
    const data = (): uPlot.AlignedData => {
      const tables = lines.map(({ columns, name }) => {
        const y = columns[name]!;
        const kept = y.flatMap((v, i) => (v === null ? [] : [i]));
        const values = kept.map((i) => y[i]!);
        const x = kept.map((i) => columns[setting.x()]![i]!);
        const smooth = isSmooth ? help.smoothed(values, setting.share()) : values;
        return [x, ...(showsRaw ? [values] : []), smooth] as uPlot.AlignedData;
      });
      return Plot.join(tables);
    };
    const isFew = lines.every(({ columns, name }) => columns[name]!.filter((v) => v !== null).length < 40);
    const plot = new Plot(
      {
        width: widthOf(box),
        height: 260,
        scales: { x: { time: false }, y: scaleOf(isProbe || (isSmooth && setting.log())) },
        axes: [axis(xLabels[setting.x()]!), axis(box.dataset['unit']!, { size: 62 })],
        cursor: { sync: { key: 'lines' }, drag: { x: true, y: false } },
        series: [
          { label: xLabels[setting.x()]!, value: (_, v) => (v == null ? '–' : help.formatNumber(v)) },
          ...lines.flatMap(({ label, stroke }) => [
            ...(showsRaw
              ? [
                  {
                    label: `${label} raw`,
                    stroke: `${stroke}55`,
                    width: 1,
                    spanGaps: true,
                    class: 'raw',
                    points: { show: false },
                  },
                ]
              : []),
            {
              label,
              stroke,
              width: 2,
              spanGaps: true,
              points: { show: isFew && !isSmooth, size: 6, fill: stroke },
              value: (_: uPlot, v: number | null) => (v == null ? '–' : help.formatNumber(v)),
            },
          ]),
        ],
      },
      data(),
      box,
    );
    drawn.push({ plot, box, refresh: () => plot.setData(data()) });
  }

  /** Makes arrow keys move the cursor of a chart between points; the legend shows the values. */
  function steer(box: HTMLElement): void {
    box.tabIndex = 0;
    box.addEventListener('keydown', (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
      const plot = drawn.find((d) => d.box === box)?.plot;
      if (move === undefined || plot === undefined) return;
      event.preventDefault();
      const x = plot.data[0];
      const from = plot.cursor.idx ?? (move < 0 ? x.length : -1);
      const to = Math.min(x.length - 1, Math.max(0, from + move));
      plot.setCursor({ left: plot.valToPos(x[to]!, 'x'), top: plot.over.clientHeight / 2 });
    });
  }

  /** A heat map with uPlot's axes. All maps of a kind share one color scale. */
  function heatMap(box: HTMLElement): void {
    const kind = box.dataset['map'] as 'density' | 'loss';
    const map: HeatMap = runs[Number(box.dataset['run'])]![kind];
    const isLog = kind === 'loss';
    const readout = box.nextElementSibling as HTMLElement;
    if (map.values.length === 0) {
      box.textContent = 'Nothing was logged.';
      return;
    }
    const all = runs
      .flatMap((run) => run[kind].values.flat())
      .filter((v) => v !== null && (!isLog || v > 0)) as number[];
    // With reduce, since that many arguments of Math.min would overflow the stack.
    const low = isLog ? all.reduce((least, v) => Math.min(least, v), Infinity) : 0;
    const high = all.reduce((most, v) => Math.max(most, v), -Infinity);
    const share = (v: number) => (isLog ? Math.log(v / low) / Math.log(high / low || 1) : v / high);
    const unit = kind === 'loss' ? 'mean loss' : 'times uniform';
    const idle = `${help.formatNumber(low)} <i class="ramp"></i> ${help.formatNumber(high)} ${unit}; ${map.about}`;
    readout.innerHTML = idle;
    const cells = (u: uPlot) => {
      map.values.forEach((column, c) =>
        column.forEach((value, r) => {
          if (value === null) return;
          const [left, right] = [map.steps[c]!, map.steps[c + 1]!].map((s) => Math.round(u.valToPos(s, 'x', true)));
          const [bottom, top] = [map.timesteps[r]!, map.timesteps[r + 1]!].map((t) =>
            Math.round(u.valToPos(t, 'y', true)),
          );
          u.ctx.fillStyle = help.viridis(share(value));
          u.ctx.fillRect(left!, top!, right! - left!, bottom! - top!);
        }),
      );
    };
    const indexIn = (edges: readonly number[], v: number) =>
      edges.findIndex((edge, i) => v >= edge && v < edges[i + 1]!);
    const look = (u: uPlot) => {
      const { left = -1, top = -1 } = u.cursor;
      const [c, r] = [indexIn(map.steps, u.posToVal(left, 'x')), indexIn(map.timesteps, u.posToVal(top, 'y'))];
      const value = left < 0 ? undefined : map.values[c]?.[r];
      readout.innerHTML =
        value == null
          ? idle
          : `steps ${map.steps[c]!}–${map.steps[c + 1]!}, t ${map.timesteps[r]!}–${map.timesteps[r + 1]!}: ` +
            `<b>${help.formatNumber(value)}</b> ${unit}`;
    };
    const [end, last] = [map.steps.at(-1)!, map.timesteps.at(-1)!];
    const plot = new Plot(
      {
        width: widthOf(box),
        height: 230,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { show: false } },
        scales: { x: { time: false, range: [0, end] }, y: { range: [0, last] } },
        axes: [axis('step', { grid: { show: false } }), axis('timestep', { size: 62, grid: { show: false } })],
        series: [{}, { points: { show: false } }],
        hooks: { drawClear: [cells], setCursor: [look] },
      },
      [
        [0, end],
        [null, null],
      ],
      box,
    );
    drawn.push({ plot, box, refresh: () => {} });
  }

  const lines = [...document.querySelectorAll<HTMLElement>('.chart')];
  const maps = [...document.querySelectorAll<HTMLElement>('.map')];
  function draw(): void {
    for (const { plot } of drawn.splice(0)) plot.destroy();
    for (const box of lines) chart(box);
    for (const box of maps) heatMap(box);
  }
  for (const box of lines) steer(box);
  draw();

  element('controls')!.addEventListener('submit', (event) => event.preventDefault());
  const showShare = () => (element('smoothing-share')!.textContent = setting.share().toFixed(2));
  element('smoothing')!.addEventListener('input', () => {
    showShare();
    for (const { refresh } of drawn) refresh();
  });
  showShare();
  for (const choice of document.querySelectorAll('input[name="x"], #log')) choice.addEventListener('change', draw);
  dark.addEventListener('change', draw);
  addEventListener('resize', () => {
    for (const { plot, box } of drawn) plot.setSize({ width: widthOf(box), height: plot.height });
  });

  // Samples: each run shows its newest grid up to the step of the slider.
  const slider = input('moment');
  const steps = [...new Set(runs.flatMap((run) => run.grids.map((grid) => grid.step)))].toSorted((a, b) => a - b);
  const showGrids = () => {
    const step = steps[Number(slider!.value)]!;
    element('moment-step')!.textContent = String(step);
    slider!.setAttribute('aria-valuetext', `step ${step}`);
    runs.forEach((run, r) => {
      const grid = run.grids.findLast((g) => g.step <= step);
      const image = document.querySelector<HTMLImageElement>(`#grid-${r}`);
      if (image === null) return;
      image.style.visibility = grid === undefined ? 'hidden' : 'visible';
      if (grid !== undefined) image.src = grid.dataUri;
      if (grid !== undefined) image.alt = `samples of ${run.name} at step ${grid.step}`;
    });
  };
  slider?.addEventListener('input', showGrids);
  if (slider !== null) showGrids();

  const only = input('only-differences');
  only?.addEventListener('change', () => document.body.classList.toggle('only-differences', only.checked));
}
