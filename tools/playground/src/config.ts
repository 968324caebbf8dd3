/** What the controls of the page set, and its form in the page's address. */

export const dataNames = ['mnist14', 'fashion14', 'mnist28', 'emoji16', 'drawings', 'files'] as const;
export const modelNames = ['unet', 'dit'] as const;
export const curriculumNames = ['clts', 'uniform'] as const;
export const momentumNames = ['demon', 'constant'] as const;
export const samplerNames = ['ddim', 'ddpm', 'heun', 'dpmpp-2m', 'euler-ancestral'] as const;
export const deviceNames = ['cpu', 'webgpu', 'auto'] as const;

export interface PlaygroundConfig {
  readonly data: (typeof dataNames)[number];
  readonly model: (typeof modelNames)[number];
  readonly curriculum: (typeof curriculumNames)[number];
  readonly momentum: (typeof momentumNames)[number];
  readonly device: (typeof deviceNames)[number];
  /** Initial learning rate of AdamW. */
  readonly lr: number;
  readonly batch: number;
  /** Optimizer steps of the run, which curriculum and momentum decay are scaled to. */
  readonly steps: number;
  readonly seed: number;
  /** Train a second model, which differs in its seed only. */
  readonly twins: boolean;
}

/** Learning rates that suit the models: a transformer diverges at the rate of a UNet. */
const modelLr: Readonly<Record<PlaygroundConfig['model'], number>> = { unet: 0.003, dit: 0.001 };

export const defaultConfig: PlaygroundConfig = {
  data: 'mnist14',
  model: 'unet',
  curriculum: 'clts',
  momentum: 'demon',
  device: 'cpu',
  lr: modelLr.unet,
  batch: 32,
  steps: 3000,
  seed: 0,
  twins: false,
};

/** `next` with the usual learning rate of its model, if `before` had the usual one of another model. */
export function withModelLr(before: PlaygroundConfig, next: PlaygroundConfig): PlaygroundConfig {
  const isUsual = next.lr === before.lr && before.lr === modelLr[before.model];
  return isUsual ? { ...next, lr: modelLr[next.model] } : next;
}

interface Field {
  /** Returns undefined for a text that is not allowed. */
  readonly parse: (text: string) => unknown;
  readonly allowed: string;
}

const oneOf = (values: readonly string[]): Field => ({
  parse: (text) => (values.includes(text) ? text : undefined),
  allowed: `one of ${values.join(', ')}`,
});

/** A decimal number without sign, such as 12, 0.003, .003, 0,003, or 1e-3. */
const number = (least: number, most: number, isInteger: boolean): Field => ({
  parse: (text) => {
    if (!/^(\d{1,9}|\d{0,9}[.,]\d{1,25})(e-?\d)?$/i.test(text)) return undefined;
    const value = Number(text.replace(',', '.'));
    return value >= least && value <= most && (!isInteger || Number.isInteger(value)) ? value : undefined;
  },
  allowed: `${isInteger ? 'an integer' : 'a number'} from ${least} to ${most}`,
});

/** The limits keep an address from asking for more memory or time than a page should take. */
const limits = { lr: [1e-5, 0.1], batch: [1, 128], steps: [10, 100_000], seed: [0, 999_999] } as const;

const fields: Readonly<Record<keyof PlaygroundConfig, Field>> = {
  data: oneOf(dataNames),
  model: oneOf(modelNames),
  curriculum: oneOf(curriculumNames),
  momentum: oneOf(momentumNames),
  device: oneOf(deviceNames),
  lr: number(...limits.lr, false),
  batch: number(...limits.batch, true),
  steps: number(...limits.steps, true),
  seed: number(...limits.seed, true),
  twins: {
    parse: (text) => (text === '1' ? true : text === '0' ? false : undefined),
    allowed: '0 or 1',
  },
};

/** Longer fragments are refused unread: all fields together take less than 200 characters. */
const longest = 1000;

export interface ParsedConfig {
  readonly config: PlaygroundConfig;
  /** One message for each refused part; the configuration is then the default. */
  readonly problems: readonly string[];
}

/**
 * Parses the fragment of an address, such as `#data=mnist28&seed=3`, which anyone may have written. Unknown, repeated, and
 * invalid fields are refused, and then nothing of the fragment is used.
 */
export function parseFragment(fragment: string): ParsedConfig {
  const text = fragment.replace(/^#/, '');
  if (text.length > longest) {
    return { config: defaultConfig, problems: [`it has ${text.length} characters, more than ${longest}`] };
  }
  const seen = new Set<string>();
  const problems: string[] = [];
  const values: [string, unknown][] = [];
  for (const [name, value] of new URLSearchParams(text)) {
    const field = Object.hasOwn(fields, name) ? fields[name as keyof PlaygroundConfig] : undefined;
    if (field === undefined) problems.push(`unknown field "${shortened(name)}"`);
    else if (seen.has(name)) problems.push(`${name} occurs twice`);
    else {
      const parsed = field.parse(value);
      if (parsed === undefined) problems.push(`${name} is "${shortened(value)}", but must be ${field.allowed}`);
      else values.push([name, parsed]);
    }
    seen.add(name);
  }
  const config: PlaygroundConfig =
    problems.length > 0 ? defaultConfig : { ...defaultConfig, ...Object.fromEntries(values) };
  return { config, problems };
}

/** Whether two configurations are the same training, on any device. */
export function isSameTraining(a: PlaygroundConfig, b: PlaygroundConfig): boolean {
  const { device } = defaultConfig;
  return formatFragment({ ...a, device }) === formatFragment({ ...b, device });
}

/** The fragment of a configuration: the fields that differ from the default, `#` and nothing else if none does. */
export function formatFragment(config: PlaygroundConfig): string {
  const changed = (Object.keys(fields) as (keyof PlaygroundConfig)[]).filter(
    (name) => config[name] !== defaultConfig[name],
  );
  const textOf = (value: PlaygroundConfig[keyof PlaygroundConfig]) =>
    typeof value === 'boolean' ? Number(value) : value;
  return `#${new URLSearchParams(changed.map((name) => [name, String(textOf(config[name]))]))}`;
}

function shortened(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
