/** Style sheet of the report, light or dark by the system setting. Line colors: Okabe and Ito, safe for color blindness. */
export const style = `
:root { color-scheme: light dark; --text: #1b2330; --muted: #5a6577; --page: #fff; --panel: #f5f6f9; --grid: #e3e6ec;
  --accent: #1d4ed8; --mark: #fff1c9;
  --line-1: #0072b2; --line-2: #d55e00; --line-3: #009e73; --line-4: #cc79a7;
  --line-5: #b58900; --line-6: #56b4e9; --line-7: #7c3aed; --line-8: #4b5563; }
@media (prefers-color-scheme: dark) { :root { --text: #e6eaf2; --muted: #9aa6b8; --page: #12161d; --panel: #1b212b;
  --grid: #2c3441; --accent: #8ab4ff; --mark: #4a3d12;
  --line-1: #4aa8e0; --line-2: #f08a4b; --line-3: #2fc79a; --line-4: #e39fc6;
  --line-5: #e0b93a; --line-6: #8fd0f5; --line-7: #b79bff; --line-8: #a3adba; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.25rem 4rem;
  color: var(--text); background: var(--page); }
h1 { font-size: 1.6rem; margin: 0 0 .8rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .2rem; }
h3 { font-size: .95rem; margin: .6rem 0 .2rem; font-weight: 600; }
p { margin: .2rem 0 .6rem; color: var(--muted); max-width: 52rem; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid var(--grid); vertical-align: top;
  overflow-wrap: anywhere; }
th { font-weight: 600; } thead th { white-space: nowrap; } tbody th { font-weight: 400; color: var(--muted); }
td { font-variant-numeric: tabular-nums; }
tr.differs > * { background: var(--mark); color: var(--text); }
.only-differences tr.same { display: none; }
.scroll { overflow-x: auto; }
.swatch { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .45em; }
${Array.from({ length: 8 }, (_, i) => `.line-${i + 1} { background: var(--line-${i + 1}); }`).join(' ')}
form { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; align-items: center;
  margin: 1.2rem -1.25rem 0; padding: .55rem 1.25rem; background: var(--panel); border-block: 1px solid var(--grid);
  font-size: .9rem; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; gap: .8rem; } legend { float: left; margin-right: .8rem; }
input { accent-color: var(--accent); } label { white-space: nowrap; } output { font-variant-numeric: tabular-nums; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: .5rem 1.5rem; }
.two > *, .grids > * { min-width: 0; }
.chart, .map { width: 100%; min-height: 3rem; }
.grids { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .9rem; margin-bottom: .3rem; }
.grids img { image-rendering: pixelated; width: 100%; max-width: 40rem; border: 1px solid var(--grid); display: block; }
.slider { display: flex; gap: .8rem; align-items: center; } .slider input { flex: 1; max-width: 30rem; }
.readout { font-size: .82rem; color: var(--muted); min-height: 1.6em; padding-left: 62px; }
.readout b { color: var(--text); }
.ramp { display: inline-block; width: 7rem; height: .7em; margin: 0 .3em; border-radius: 2px;
  background: linear-gradient(to right, #440154, #472d7b, #3b528b, #2c728e, #21918c, #28ae80, #5ec962, #addc30, #fde725); }
.uplot .u-legend { font-size: .82rem; text-align: left; padding-left: 62px; color: var(--text); }
.uplot .u-legend th, .uplot .u-legend td { border: 0; padding: .1rem .3rem; color: var(--text); }
.uplot .u-legend .raw { display: none; }
.u-cursor-x, .u-cursor-y { border-color: var(--muted) !important; }
@media print { form { display: none; } }
`;
