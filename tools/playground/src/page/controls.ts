import {
  curriculumNames,
  dataNames,
  defaultConfig,
  deviceNames,
  formatFragment,
  modelNames,
  momentumNames,
  parseFragment,
  type PlaygroundConfig,
} from '../config.js';
import { byId, setOptions } from './dom.js';

const labels: Readonly<Record<string, string>> = {
  mnist14: 'Digits, 14×14 (fast)',
  fashion14: 'Clothes, 14×14 (fast)',
  mnist28: 'Digits, 28×28',
  emoji16: 'Emoji, 16×16',
  drawings: 'Draw your own',
  files: 'Your image files',
  unet: 'UNet (convolutions)',
  dit: 'DiT (transformer)',
  clts: 'Curriculum (CLTS)',
  uniform: 'All equally (uniform)',
  demon: 'Decaying (MDLRC)',
  constant: 'Constant',
  cpu: 'CPU (WebAssembly)',
  webgpu: 'GPU (WebGPU)',
  auto: 'Whichever is faster (measured)',
};

const choices = {
  data: dataNames,
  model: modelNames,
  curriculum: curriculumNames,
  momentum: momentumNames,
  device: deviceNames,
} as const;

/** The form of a configuration. `onChange` is called with each valid change, `onProblem` with a message for others. */
export function createControls(
  onChange: (config: PlaygroundConfig) => void,
  onProblem: (message: string) => void,
): { show(config: PlaygroundConfig): void } {
  const form = byId('controls', HTMLFormElement);
  const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement;
  for (const [name, values] of Object.entries(choices)) {
    setOptions(field(name) as HTMLSelectElement, Object.fromEntries(values.map((value) => [value, labels[value]!])));
  }
  let shown = defaultConfig;
  const show = (config: PlaygroundConfig): void => {
    shown = config;
    for (const [name, value] of Object.entries(config)) {
      const input = field(name);
      if (input instanceof HTMLInputElement && typeof value === 'boolean') input.checked = value;
      else input.value = String(value);
    }
  };
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('change', () => {
    const values = Object.keys(defaultConfig).map((name): [string, string] => {
      const input = field(name);
      const isCheckbox = input instanceof HTMLInputElement && input.type === 'checkbox';
      return [name, isCheckbox ? String(Number(input.checked)) : input.value];
    });
    // The form allows what an address allows.
    const { config, problems } = parseFragment(`#${new URLSearchParams(values)}`);
    if (problems.length > 0) {
      onProblem(`This was not changed: ${problems.join('; ')}.`);
      show(shown);
    } else if (formatFragment(config) !== formatFragment(shown)) {
      show(config);
      onChange(config);
    }
  });
  return { show };
}
