/** The page: connects the controls, the training worker, and everything that is drawn. */
import {
  defaultConfig,
  formatFragment,
  isSameTraining,
  parseFragment,
  type PlaygroundConfig,
  samplerNames,
  withModelLr,
} from '../config.js';
import type { DrawOptions, Frame, Report, TrainingImages } from '../worker/messages.js';
import { type Drawing, toBytes, withDrawing } from '../data/picture-history.js';
import { createBoard } from './board.js';
import { lineChart } from './charts.js';
import { createControls } from './controls.js';
import { drawnImages, fetchImages, readImageFiles, whyRefused } from './data.js';
import { densityOverTraining, paintDensity } from './density-map.js';
import { byId, clock, setOptions, setText } from './dom.js';
import { deviceText } from './device-text.js';
import { failureMessage } from './failure.js';
import { prepareIsolation } from './isolation.js';
import { firstImages, paintImages, type Shape } from './pixels.js';
import { TrainingRun } from './training-run.js';

type Ready = Extract<Report, { type: 'ready' }>;
type State = 'waiting' | 'loading' | 'running' | 'paused' | 'finished' | 'failed';

const playButton = byId('play', HTMLButtonElement);
const stepButton = byId('step', HTMLButtonElement);
const resetButton = byId('reset', HTMLButtonElement);
const downloadButton = byId('download', HTMLButtonElement);
const downloadRunButton = byId('download-run', HTMLButtonElement);
const askForm = byId('ask', HTMLFormElement);
const askButton = byId('ask-draw', HTMLButtonElement);
const frameSlider = byId('frame', HTMLInputElement);
const earlierSlider = byId('earlier', HTMLInputElement);
const forwardSlider = byId('forward', HTMLInputElement);
const trainOnDrawings = byId('board-train', HTMLButtonElement);

const lossChart = lineChart(byId('loss-chart', HTMLElement), [
  { label: 'Loss', color: '--quiet', width: 0.5 },
  { label: 'Running mean', color: '--accent' },
  { label: 'Second network', color: '--second' },
]);
const ratesChart = lineChart(byId('rates-chart', HTMLElement), [
  { label: 'Momentum', color: '--accent', scale: 'momentum' },
  { label: 'Learning rate', color: '--second', scale: 'lr' },
]);
const agreementChart = lineChart(
  byId('agreement-chart', HTMLElement),
  [
    { label: 'Same noise', color: '--accent' },
    { label: 'Shuffled pairs (control)', color: '--quiet', dash: [4, 4] },
  ],
  [-0.3, 1],
);

let config: PlaygroundConfig = defaultConfig;
let data: TrainingImages | undefined;
let run: TrainingRun | undefined;
let ready: Ready | undefined;
let state: State = 'loading';
let step = 0;
let seconds = 0;
let recentSpeed = 0;
let frames: readonly Frame[] = [];
let drawings: readonly Drawing[] = [];
let losses: { step: number[]; loss: number[]; mean: number[]; second: (number | null)[] };
let agreements: { step: number[]; same: number[]; shuffled: number[] };
let densities: Readonly<Record<'clts' | 'uniform', number[][]>>;
/** Whether training starts by itself. People who ask for less motion start it. */
let autoplay = !matchMedia('(prefers-reduced-motion: reduce)').matches;
/** Data that was loaded, and the user's, which a change of other settings keeps. */
const own: Partial<Record<PlaygroundConfig['data'], TrainingImages>> = {};
/** Numbers the runs, so that what an older run loads late is not used. */
let current = 0;
/** The step whose pictures are looked at; undefined for the newest. */
let lookedAt: number | undefined;
/** Whether a picture is being drawn step by step, and whether another is asked for meanwhile. */
let isDrawing = false;
let isAskedAgain = false;

const stateTexts: Readonly<Record<State, string>> = {
  waiting: 'Needs pictures to learn from',
  loading: 'Loading the network…',
  running: 'Training',
  paused: 'Paused',
  finished: 'Finished. Reset to start again.',
  failed: 'Stopped',
};

function setState(next: State): void {
  state = next;
  setText('state', stateTexts[state]);
  playButton.textContent = state === 'running' ? 'Pause' : 'Play';
  playButton.disabled = state !== 'running' && state !== 'paused';
  stepButton.disabled = state !== 'paused' && state !== 'running';
  document.body.dataset['state'] = state;
}

function notify(message: string | undefined): void {
  const notice = byId('notice', HTMLElement);
  notice.textContent = message ?? '';
  notice.hidden = message === undefined;
}

function shapeOf({ shape }: TrainingImages): Shape {
  return shape;
}

/** Steps after which a picture is first drawn step by step. */
const firstTrajectory = 50;

/** Before this step the caption says that the pictures are not finished. */
const shapesAfter = 200;

/** Key of the settings of the stored run. */
const storedKey = 'playground-run';

/** Starts a run of the configuration: the stored one if `resume` and it has these settings, otherwise a new one. */
async function start(resume = false): Promise<void> {
  const mine = ++current;
  run?.stop();
  run = undefined;
  ready = undefined;
  [step, seconds, recentSpeed] = [0, 0, 0];
  losses = { step: [], loss: [], mean: [], second: [] };
  agreements = { step: [], same: [], shuffled: [] };
  frames = [];
  drawings = [];
  [lookedAt, isDrawing, isAskedAgain] = [undefined, false, false];
  showEarlierSlider();
  history.replaceState(null, '', formatFragment(config));
  densities = {
    clts: densityOverTraining('clts', config.steps, 1000),
    uniform: densityOverTraining('uniform', config.steps, 1000),
  };
  for (const [id, name] of [
    ['drawing', 'drawings'],
    ['files', 'files'],
  ] as const) {
    byId(id, HTMLElement).hidden = config.data !== name;
  }
  byId('fashion-credit', HTMLElement).hidden = config.data !== 'fashion14';
  byId('emoji-credit', HTMLElement).hidden = config.data !== 'emoji16';
  byId('second', HTMLElement).hidden = !config.twins;
  document.body.classList.toggle('one-model', !config.twins);
  byId('models', HTMLElement).classList.toggle('two', config.twins);
  byId('twins-off', HTMLElement).hidden = config.twins;
  byId('agreement-chart', HTMLElement).hidden = !config.twins;
  frameSlider.disabled = true;
  enableRequests(false);
  clearPictures();
  setState('loading');
  showFacts();
  showCharts();
  showDensities();

  data = await imagesOf(config.data);
  if (mine !== current) return;
  showExamples();
  const stored = resume ? readStored() : undefined;
  // A run may continue on another device.
  const isSame = stored !== undefined && isSameTraining(stored, config);
  // Drawings and dropped images are stored with the run.
  const isInStore = isSame && (config.data === 'drawings' || config.data === 'files');
  if (data === undefined && !isInStore) {
    setState('waiting');
    return;
  }
  run = new TrainingRun(config, data, isSame, (report) => {
    if (mine === current) receive(report);
  });
}

/** The settings of the stored run; undefined if there is none. */
function readStored(): PlaygroundConfig | undefined {
  try {
    const fragment = localStorage.getItem(storedKey);
    if (fragment === null) return undefined;
    const { config: stored, problems } = parseFragment(fragment);
    return problems.length === 0 ? stored : undefined;
  } catch {
    return undefined; // a browser may refuse all storage
  }
}

function writeStored(fragment: string): void {
  try {
    localStorage.setItem(storedKey, fragment);
  } catch {
    // Then a reload starts again.
  }
}

/** What was shown of an earlier run. */
function clearPictures(): void {
  for (const i of [0, 1]) {
    const canvas = byId(`pictures-${i}`, HTMLCanvasElement);
    canvas.getContext('2d')!.clearRect(0, 0, canvas.width, canvas.height);
    canvas.setAttribute('aria-label', 'No pictures yet');
    setText(`caption-${i}`, i === 0 ? 'Waiting for the first pictures…' : '');
  }
  byId('levels', HTMLElement).replaceChildren();
  for (const fact of ['parameters', 'device']) setText(`fact-${fact}`, '–');
  setText('saved', '');
  setText('shared', '');
}

/** Undefined if the images cannot be loaded, or are the user's and not there yet. */
async function imagesOf(name: PlaygroundConfig['data']): Promise<TrainingImages | undefined> {
  if (own[name] !== undefined || name === 'drawings' || name === 'files') return own[name];
  try {
    const images = await fetchImages(name);
    if (images !== undefined) own[name] = images;
    else if (name === 'emoji16') {
      notify('This copy of the page was built without these pictures: they need “npm run playground -- --emoji”.');
    } else notify('The pictures could not be loaded: the server does not have them.');
    return images;
  } catch (error) {
    notify(`The pictures could not be loaded: ${error instanceof Error ? error.message : String(error)}.`);
    return undefined;
  }
}

function receive(report: Report): void {
  switch (report.type) {
    case 'needsImages':
      setState('waiting');
      break;
    case 'ready':
      ready = report;
      showReady(report);
      setState('paused');
      if (autoplay) play();
      break;
    case 'step':
      showStep(report);
      break;
    case 'pictures':
      showPictures(report);
      break;
    case 'drawn':
      ({ frames } = report);
      frameSlider.max = String(frames.length - 1);
      frameSlider.value = frameSlider.max;
      frameSlider.disabled = false;
      showFrame();
      endDrawing();
      break;
    case 'weights':
      downloadButton.disabled = false;
      save(
        new Blob([report.bytes], { type: 'application/octet-stream' }),
        `${fileName()}-step-${report.step}.safetensors`,
      );
      break;
    case 'run':
      downloadRunButton.disabled = false;
      save(report.zip, `${fileName()}-step-${report.step}.zip`);
      if (report.problem !== undefined) {
        notify(`The run is packed as it was saved at step ${report.step}: later steps cannot be (${report.problem}).`);
      }
      setText('shared', `To continue it in a clone of the repository: npm start -- --resume <file>.zip`);
      break;
    case 'refused':
      notify(`${refusals[report.request]}: ${report.message}`);
      if (report.request === 'draw') endDrawing();
      else (report.request === 'run' ? downloadRunButton : downloadButton).disabled = false;
      break;
    case 'saved':
      setText(
        'saved',
        report.problem === undefined
          ? savedText
          : `Step ${report.step.toLocaleString('en-US')} could not be saved, training continues. (${report.problem})`,
      );
      break;
    case 'finished':
      setState('finished');
      break;
    case 'failed':
      run?.stop();
      enableRequests(false);
      setState('failed');
      notify(failureMessage(report.message, report.code));
  }
}

const refusals = {
  draw: 'The picture could not be drawn',
  weights: 'The weights could not be read',
  run: 'The run could not be packed',
} as const;

const savedText = 'Saved in this browser with each new set of pictures: a reload continues the run.';

function play(): void {
  run?.request('play');
  setState('running');
}

function showReady({ classes, parameters, device, deviceProbe, threads, lr, momentum, ...report }: Ready): void {
  if (report.data !== undefined) {
    own[config.data] = data = report.data;
    showExamples();
  }
  if (report.isStored === true) writeStored(formatFragment(config));
  setText('saved', report.isStored === true ? savedText : `Not saved: a reload starts again. (${report.isStored})`);
  if (report.note !== undefined) notify(report.note);
  if (config.twins) setText('shared', 'Downloads contain the first network.');
  ({ step } = report);
  seconds = report.history.at(-1)?.seconds ?? 0;
  ({ drawings } = report);
  for (const { step: at, agreement } of drawings) if (agreement !== undefined) addAgreement(at, agreement);
  showEarlierSlider();
  for (const { step: at, loss, second } of report.history) addLoss(at, loss, second);
  showFacts();
  showCharts();
  showDensities();
  setText('fact-parameters', parameters.toLocaleString('en-US'));
  setText('fact-device', deviceText(device, threads, deviceProbe));
  const label = askForm.elements.namedItem('label') as HTMLSelectElement;
  const names = data?.classes ?? [];
  setOptions(label, Object.fromEntries(names.slice(0, classes).map((text, i) => [String(i), text])));
  byId('ask-class', HTMLElement).hidden = classes === 0;
  byId('ask-guidance', HTMLElement).hidden = classes === 0;
  const points = Array.from(lr, (_, i) => (i * config.steps) / (lr.length - 1));
  ratesChart.setData([points, [...momentum], [...lr]]);
  enableRequests(true);
  showForward();
}

function showStep({
  step: done,
  losses: ofModels,
  levels,
  seconds: took,
  skipped,
}: Extract<Report, { type: 'step' }>): void {
  step = done;
  seconds += took;
  const speed = (config.batch * ofModels.length) / took;
  recentSpeed = recentSpeed === 0 ? speed : 0.9 * recentSpeed + 0.1 * speed;
  const [loss = Number.NaN, second] = ofModels;
  addLoss(done, loss, second);
  if (skipped !== undefined) notify(skipped);
  showFacts();
  showCharts();
  showLevels(levels);
  if (done % 20 === 0) showDensities();
}

function addLoss(at: number, loss: number, second: number | undefined): void {
  const count = losses.step.push(at);
  losses.loss.push(loss);
  losses.mean.push(runningMean(losses.mean.at(-1), loss, count));
  losses.second.push(second === undefined ? null : runningMean(losses.second.at(-1) ?? undefined, second, count));
}

/** The mean of the `count` values so far, and of about the last 30 once there are more, without those that are not finite. */
function runningMean(before: number | undefined, value: number, count: number): number {
  if (before !== undefined && !Number.isFinite(value)) return before;
  return before === undefined || !Number.isFinite(before) ? value : before + (value - before) / Math.min(count, 30);
}

function showFacts(): void {
  setText('fact-step', `${step.toLocaleString('en-US')} of ${config.steps.toLocaleString('en-US')}`);
  setText('fact-speed', recentSpeed === 0 ? '–' : Math.round(recentSpeed).toLocaleString('en-US'));
  setText('fact-time', clock(seconds));
  setText('fact-left', recentSpeed === 0 ? '–' : remaining());
  byId('progress', HTMLProgressElement).value = step / config.steps;
}

/** Pictures take at most a fifth of the time. */
function remaining(): string {
  const perStep = ((config.twins ? 2 : 1) * config.batch) / recentSpeed;
  const minutes = ((config.steps - step) * perStep) / 0.8 / 60;
  if (minutes < 1) return step === config.steps ? 'none' : 'under 1 min';
  return minutes < 100 ? `about ${Math.round(minutes)} min` : `about ${Math.round(minutes / 60)} h`;
}

function showCharts(): void {
  lossChart.setData([losses.step, losses.loss, losses.mean, losses.second]);
  agreementChart.setData([agreements.step, agreements.same, agreements.shuffled]);
}

function showDensities(): void {
  for (const name of ['clts', 'uniform'] as const) {
    paintDensity(byId(`density-${name}`, HTMLCanvasElement), densities[name], step / config.steps);
    const title = name === 'clts' ? 'CLTS' : 'uniform';
    setText(`density-${name}-caption`, name === config.curriculum ? `${title} (this run)` : title);
  }
}

function showLevels(levels: Float32Array): void {
  const bars = byId('levels', HTMLElement);
  if (bars.childElementCount !== levels.length) {
    bars.replaceChildren(...Array.from(levels, () => document.createElement('div')));
  }
  const largest = Math.max(...Array.from(levels).filter((value) => !Number.isNaN(value)), 1e-9);
  Array.from(bars.children).forEach((bar, i) => {
    (bar as HTMLElement).style.height = `${(100 * (Number.isNaN(levels[i]) ? 0 : levels[i]!)) / largest}%`;
  });
  const texts = Array.from(levels, (value) => (Number.isNaN(value) ? 'none yet' : value.toFixed(3)));
  bars.setAttribute('aria-label', `Loss by noise level, from little noise to pure noise: ${texts.join(', ')}`);
}

function showPictures({ step: at, pictures, agreement }: Extract<Report, { type: 'pictures' }>): void {
  if (data === undefined) return;
  const isRedrawn = drawings.at(-1)?.step === at;
  drawings = withDrawing(drawings, { step: at, pictures: pictures.map(toBytes), ...(agreement && { agreement }) });
  // New pictures do not interrupt somebody who looks back, unless the ones looked at are dropped.
  const before = lookedAt;
  showEarlierSlider();
  if (lookedAt === undefined || lookedAt !== before) showDrawing();
  document.body.dataset['pictures'] = String(at);
  // The first digits that are worth a look are taken apart without being asked for.
  if (at >= firstTrajectory && frames.length === 0 && !isDrawing) askForPicture();
  if (agreement === undefined) return;
  document.body.dataset['agreement'] = String(agreement.same);
  if (!isRedrawn) addAgreement(at, agreement);
  showCharts();
}

/** Fits the slider of earlier pictures to `drawings`: at the step that is looked at, or the one before if it was dropped. */
function showEarlierSlider(): void {
  const last = Math.max(0, drawings.length - 1);
  const looked = lookedAt;
  const index = looked === undefined ? last : drawings.findLastIndex(({ step: at }) => at <= looked);
  earlierSlider.max = String(last);
  earlierSlider.value = String(Math.max(0, index));
  const shown = drawings[Number(earlierSlider.value)]?.step;
  if (lookedAt !== undefined) lookedAt = shown;
  byId('earlier-row', HTMLElement).hidden = drawings.length < 2;
  setText('earlier-step', (shown ?? 0).toLocaleString('en-US'));
}

/** Looks at the pictures that the slider was moved to. */
function lookBack(): void {
  lookedAt = earlierSlider.value === earlierSlider.max ? undefined : drawings[Number(earlierSlider.value)]?.step;
  showDrawing();
}

/** Shows the pictures that the slider points to: the newest ones, unless somebody looks back. */
function showDrawing(): void {
  const drawing = drawings[Number(earlierSlider.value)];
  if (drawing === undefined || data === undefined) return;
  const { step: at, pictures } = drawing;
  const when = at === 0 ? 'before training' : `after ${at.toLocaleString('en-US')} ${at === 1 ? 'step' : 'steps'}`;
  for (const [i, images] of pictures.entries()) {
    const canvas = byId(`pictures-${i}`, HTMLCanvasElement);
    paintImages(canvas, images, shapeOf(data), 4);
    canvas.setAttribute('aria-label', `16 pictures drawn ${when}`);
    const which = i === 0 ? 'First network, ' : 'Second network, ';
    const hint = at < shapesAfter ? ' Shapes take a few hundred steps.' : ' Click one to see how.';
    setText(
      `caption-${i}`,
      pictures.length === 1 ? `Drawn ${when}, always from the same noise.${hint}` : `${which}${when}`,
    );
  }
  setText('earlier-step', at.toLocaleString('en-US'));
}

function addAgreement(at: number, { same, shuffled }: { readonly same: number; readonly shuffled: number }): void {
  agreements.step.push(at);
  agreements.same.push(same);
  agreements.shuffled.push(shuffled);
}

function showExamples(): void {
  const canvas = byId('examples', HTMLCanvasElement);
  byId('examples-caption', HTMLElement).hidden = canvas.hidden = data === undefined;
  if (data === undefined) return;
  const shape = shapeOf(data);
  const count = data.images.length / shape.reduce((a, b) => a * b);
  paintImages(canvas, firstImages(data.images, shape, 12), shape, 12);
  const images = count === 1 ? 'one image, this one' : `${count.toLocaleString('en-US')} images like these`;
  setText('examples-caption', `It learns from ${images}.`);
}

function showFrame(): void {
  const frame = frames[Number(frameSlider.value)];
  if (frame === undefined || data === undefined) return;
  paintImages(byId('frame-x', HTMLCanvasElement), frame.x, shapeOf(data), 1);
  paintImages(byId('frame-x0', HTMLCanvasElement), frame.x0, shapeOf(data), 1);
  setText('frame-label', `Step ${Number(frameSlider.value) + 1} of ${frames.length}, timestep ${Math.round(frame.t)}`);
}

function showForward(): void {
  if (ready === undefined || data === undefined) return;
  const shape = shapeOf(data);
  const abar = ready.alphasCumprod[Number(forwardSlider.value)]!;
  const image = firstImages(data.images, shape, 1);
  const mixed = Float32Array.from(
    image,
    (byte, i) => Math.sqrt(abar) * (byte / 127.5 - 1) + Math.sqrt(1 - abar) * ready!.noise[i]!,
  );
  paintImages(byId('forward-image', HTMLCanvasElement), mixed, shape, 1);
  setText(
    'forward-caption',
    `${Math.round(100 * Math.sqrt(abar))}% image, ${Math.round(100 * Math.sqrt(1 - abar))}% noise (timestep ${forwardSlider.value})`,
  );
}

function enableRequests(enabled: boolean): void {
  for (const button of [askButton, downloadButton, downloadRunButton]) button.disabled = !enabled;
}

const fileName = (): string => `playground-${config.data}-${config.model}`;

function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The integer in an input, moved into its range. */
function integerOf(name: string): number {
  const input = askForm.elements.namedItem(name) as HTMLInputElement;
  const value = Math.min(Number(input.max), Math.max(Number(input.min), Math.round(Number(input.value) || 0)));
  input.value = String(value);
  return value;
}

/** Draws a picture step by step; if one is being drawn, afterwards. */
function askForPicture(): void {
  if (ready === undefined) return;
  if (isDrawing) {
    isAskedAgain = true;
    return;
  }
  const field = (name: string) => (askForm.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement).value;
  const options: DrawOptions = {
    sampler: samplerNames.find((name) => name === field('sampler')) ?? 'ddim',
    steps: integerOf('steps'),
    noise: integerOf('noise'),
    guidance: Number(field('guidance')),
    label: Number(field('label')) || 0,
  };
  isDrawing = askButton.disabled = true;
  run?.draw(options);
}

function endDrawing(): void {
  isDrawing = askButton.disabled = false;
  if (!isAskedAgain) return;
  isAskedAgain = false;
  askForPicture();
}

function connect(): void {
  playButton.addEventListener('click', () => {
    if (state === 'running') {
      run?.request('pause');
      setState('paused');
    } else play();
  });
  stepButton.addEventListener('click', () => {
    run?.request('pause');
    run?.request('step');
    setState('paused');
  });
  resetButton.addEventListener('click', () => {
    notify(undefined);
    // A reset keeps what the user chose: a paused run stays paused.
    if (state !== 'loading' && state !== 'waiting') autoplay = state !== 'paused';
    void start();
  });
  for (const [button, request] of [
    [downloadButton, 'weights'],
    [downloadRunButton, 'run'],
  ] as const) {
    button.addEventListener('click', () => {
      button.disabled = true;
      run?.request(request);
    });
  }
  /** Browsers have a clipboard with https only. */
  const share = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(location.href);
      setText('shared', 'Copied. The link contains these settings only, no pictures and no weights.');
    } catch {
      setText('shared', `Copy this address: ${location.href}`);
    }
  };
  byId('share', HTMLButtonElement).addEventListener('click', () => void share());
  // As a link it would change the address, which has the settings.
  byId('skip', HTMLAnchorElement).addEventListener('click', (event) => {
    event.preventDefault();
    byId('stage', HTMLElement).focus();
  });

  setOptions(askForm.elements.namedItem('sampler') as HTMLSelectElement, {
    ddim: 'DDIM',
    ddpm: 'DDPM',
    heun: 'Heun',
    'dpmpp-2m': 'DPM-Solver++ 2M',
    'euler-ancestral': 'Euler ancestral',
  });
  askForm.addEventListener('submit', (event) => {
    event.preventDefault();
    askForPicture();
  });
  const guidance = askForm.elements.namedItem('guidance') as HTMLInputElement;
  guidance.addEventListener('input', () => setText('guidance-value', guidance.value));
  guidance.addEventListener('change', askForPicture);
  byId('pictures-0', HTMLCanvasElement).addEventListener('click', (event) => {
    const { left, top, width, height } = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const column = Math.floor((4 * (event.clientX - left)) / width);
    const row = Math.floor((4 * (event.clientY - top)) / height);
    const number = Math.min(15, Math.max(0, 4 * row + column));
    const label = askForm.elements.namedItem('label') as HTMLSelectElement;
    (askForm.elements.namedItem('noise') as HTMLInputElement).value = String(number);
    if (label.options.length > 0) label.selectedIndex = number % label.options.length;
    askForPicture();
  });
  frameSlider.addEventListener('input', showFrame);
  forwardSlider.addEventListener('input', showForward);
  earlierSlider.addEventListener('input', lookBack);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showDensities);

  /** Changes that are made while another one loads its images: only the last one counts. */
  let changes = 0;
  const change = async (next: PlaygroundConfig): Promise<void> => {
    const mine = ++changes;
    notify(undefined);
    const isOwn = next.data === 'drawings' || next.data === 'files';
    const isMissing = !isOwn && (await imagesOf(next.data)) === undefined;
    if (mine !== changes) return;
    if (isMissing) {
      // The run continues, and the notice says why.
      controls.show(config);
      history.replaceState(null, '', formatFragment(config));
      return;
    }
    const chosen = withModelLr(config, next);
    const isContinued = isSameTraining(config, chosen);
    config = chosen;
    controls.show(config);
    autoplay ||= state === 'running';
    await start(isContinued);
  };
  const controls = createControls((next) => void change(next), notify);
  const show = (shown: PlaygroundConfig): void => controls.show(shown);
  byId('twins-on', HTMLButtonElement).addEventListener('click', () => {
    const next = { ...config, twins: true };
    show(next);
    void change(next);
    byId('stage', HTMLElement).focus();
  });
  const refusal = (problems: readonly string[]): string =>
    `The settings in the address were refused: ${problems.join('; ')}.`;
  globalThis.addEventListener('hashchange', () => {
    const { config: next, problems } = parseFragment(location.hash);
    const isSame = formatFragment(next) === formatFragment(config);
    if (problems.length === 0 && !isSame) {
      void change(next);
      return;
    }
    // The run keeps its settings.
    history.replaceState(null, '', formatFragment(config));
    if (problems.length > 0) notify(`${refusal(problems)} Nothing was changed.`);
  });
  const { config: first, problems } = parseFragment(location.hash);
  const stored = problems.length > 0 ? readStored() : undefined;
  config = stored ?? first;
  if (problems.length > 0) {
    notify(
      `${refusal(problems)} These are the ${stored === undefined ? 'default settings' : 'settings of your last run'}.`,
    );
  }
  show(config);
  connectDrawing();
  connectFiles(show);
}

function connectDrawing(): void {
  const board = createBoard(byId('board', HTMLCanvasElement));
  const undoButton = byId('board-undo', HTMLButtonElement);
  const made: Uint8Array[] = [];
  const show = (text: (count: string) => string): void => {
    const count = `${made.length} ${made.length === 1 ? 'drawing' : 'drawings'}`;
    setText('board-state', text(count));
    trainOnDrawings.textContent = `Train on ${count}`;
    trainOnDrawings.disabled = undoButton.disabled = made.length === 0;
  };
  byId('board-clear', HTMLButtonElement).addEventListener('click', () => board.clear());
  byId('board-add', HTMLButtonElement).addEventListener('click', () => {
    if (board.pixels.every((value) => value === 0)) {
      setText('board-state', 'The board is empty: draw something first.');
      return;
    }
    made.push(board.pixels.slice());
    board.clear();
    show((count) => `Added. ${count} so far.`);
  });
  undoButton.addEventListener('click', () => {
    made.pop();
    show((count) => `The last one was removed. ${count} left.`);
  });
  trainOnDrawings.addEventListener('click', () => {
    own.drawings = drawnImages(made);
    autoplay = true;
    void start();
  });
}

function connectFiles(show: (config: PlaygroundConfig) => void): void {
  /** Numbers the choices: of two that are read at the same time, the later one counts. */
  let choices = 0;
  const use = async (files: readonly File[]): Promise<void> => {
    const mine = ++choices;
    notify(`Reading ${files.length.toLocaleString('en-US')} files…`);
    const { images, refused } = await readImageFiles(files);
    if (mine !== choices) return;
    if (images === undefined) {
      notify('None of these files is an image that this browser can read.');
      return;
    }
    notify(refused === 0 ? undefined : `${refused} of ${files.length} files were left out: ${whyRefused}.`);
    own.files = images;
    config = { ...config, data: 'files' };
    show(config);
    autoplay = true;
    await start();
  };
  const input = byId('files-input', HTMLInputElement);
  input.addEventListener('change', () => {
    const files = [...(input.files ?? [])];
    input.value = ''; // so that the same ones can be chosen again
    if (files.length > 0) void use(files);
  });
  /** Not text, which may be dragged into a field. */
  const hasFiles = ({ dataTransfer }: DragEvent): boolean => dataTransfer?.types.includes('Files') === true;
  const mark = (isOver: boolean): void => void document.body.classList.toggle('dropping', isOver);
  document.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    mark(true);
  });
  document.addEventListener('dragleave', () => mark(false));
  document.addEventListener('drop', (event) => {
    mark(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length > 0) void use(files);
  });
}

async function openPage(): Promise<void> {
  setState('loading');
  connect();
  const main = document.querySelector('main')!;
  // What is done before the page reloads itself would be lost.
  main.inert = true;
  const problem = await prepareIsolation();
  main.inert = false;
  if (!isSecureContext) {
    setState('failed');
    resetButton.disabled = byId('controls', HTMLFormElement).inert = true;
    notify('Training needs https, or http on localhost: browsers do not give other addresses what it uses.');
    return;
  }
  if (problem !== undefined && byId('notice', HTMLElement).hidden) notify(problem);
  await start(true);
}

void openPage();
