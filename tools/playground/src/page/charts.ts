import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  readonly label: string;
  /** CSS variable of its color. */
  readonly color: '--accent' | '--second' | '--quiet';
  readonly width?: number;
  readonly dash?: readonly number[];
  /** Scale of its values; each scale has an axis, the second one on the right. Default `y`. */
  readonly scale?: string;
}

export interface LineChart {
  /** Values of x, then of each line; null for a gap. */
  setData(data: readonly (readonly (number | null)[])[]): void;
}

const height = 160;

function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The names of the lines, as text that screen readers find too. */
function legend(lines: readonly Line[]): HTMLElement {
  const list = document.createElement('ul');
  list.className = 'legend';
  for (const { label, color, dash } of lines) {
    const item = document.createElement('li');
    item.textContent = label;
    item.style.setProperty('--swatch', `var(${color})`);
    item.classList.toggle('dashed', dash !== undefined);
    item.classList.toggle('second', label === 'Second network');
    list.append(item);
  }
  return list;
}

/** A line chart that fills the width of `container` and follows the color scheme. `range` fixes the limits of y. */
export function lineChart(
  container: HTMLElement,
  lines: readonly Line[],
  range?: readonly [number, number],
): LineChart {
  let data: uPlot.AlignedData = [[], ...lines.map(() => [])];
  const scales = [...new Set(lines.map(({ scale = 'y' }) => scale))];
  const create = (): uPlot =>
    new uPlot(
      {
        width: Math.max(200, container.clientWidth),
        height,
        scales: {
          x: { time: false },
          ...Object.fromEntries(
            scales.map((scale) => [scale, range === undefined ? { range: [0, null] } : { range: [...range] }]),
          ),
        },
        axes: [
          {
            size: 28,
            stroke: cssColor('--quiet'),
            grid: { stroke: cssColor('--line'), width: 1 },
            ticks: { show: false },
          },
          ...scales.map((scale, i): uPlot.Axis => ({
            scale,
            // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- left and right; the enum exists in types only
            side: (i === 0 ? 3 : 1) as uPlot.Axis.Side,
            size: 56,
            stroke: cssColor('--quiet'),
            grid: { show: i === 0, stroke: cssColor('--line'), width: 1 },
            ticks: { show: false },
          })),
        ],
        series: [
          { label: 'Step' },
          ...lines.map(({ label, color, width = 2, dash, scale = 'y' }) => ({
            label,
            scale,
            stroke: cssColor(color),
            width,
            ...(dash && { dash: [...dash] }),
            points: { show: false },
          })),
        ],
        legend: { show: false },
        cursor: { show: false },
      },
      data,
      container,
    );
  container.append(legend(lines));
  let chart = create();
  /** The last values, for screen readers. */
  const describe = (): void => {
    const [steps, ...values] = data as unknown as readonly (readonly (number | null)[])[];
    const last = lines.flatMap(({ label }, i) => {
      const value = values[i]!.at(-1);
      return value === undefined || value === null ? [] : [`${label} ${value.toPrecision(3)}`];
    });
    chart.root.setAttribute('role', 'img');
    chart.root.setAttribute(
      'aria-label',
      last.length === 0 ? 'Chart without values yet' : `Step ${steps!.at(-1)}: ${last.join(', ')}`,
    );
  };
  describe();
  // Colors are drawn into the canvas, so another scheme takes another chart.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    chart.destroy();
    chart = create();
    describe();
  });
  new ResizeObserver(() => {
    if (container.clientWidth > 0) chart.setSize({ width: container.clientWidth, height });
  }).observe(container);

  let isScheduled = false;
  return {
    setData(values) {
      data = values as unknown as uPlot.AlignedData;
      if (isScheduled) return;
      // Steps may come faster than frames.
      isScheduled = true;
      requestAnimationFrame(() => {
        isScheduled = false;
        chart.setData(data);
        describe();
      });
    },
  };
}
