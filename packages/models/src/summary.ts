import type { Model } from './model.js';

/** Counts for one module, including its submodules. */
export interface ModuleSummary {
  /** Dotted name, truncated to `depth` parts; '' for the whole model. */
  readonly name: string;
  readonly parameters: number;
  /** Multiply-adds of matrix products, convolutions and attention in the forward pass of one image. */
  readonly multiplyAdds: number;
  /** Output elements (float32) of its layers for one image: an estimate of what a training step must save. */
  readonly activations: number;
}

export interface ModelSummary extends ModuleSummary {
  /** Elements of buffers, which `parameters` does not include. */
  readonly buffers: number;
  readonly modules: readonly ModuleSummary[];
}

/**
 * Counts parameters, multiply-adds and activations of the model and of each module. Module names are truncated to
 * `depth` parts (default 2, such as `down_blocks.0`).
 */
export function summary(model: Model, { depth = 2 }: { readonly depth?: number } = {}): ModelSummary {
  const modules = new Map<string, { parameters: number; multiplyAdds: number; activations: number }>();
  const total = { parameters: 0, multiplyAdds: 0, activations: 0 };
  const both = (name: string) => {
    const key = name.split('.').slice(0, depth).join('.');
    const module = modules.get(key) ?? { parameters: 0, multiplyAdds: 0, activations: 0 };
    modules.set(key, module);
    return [module, total];
  };
  let buffers = 0;
  for (const [name, { shape, trainable }] of Object.entries(model.specs)) {
    const size = shape.reduce((product, d) => product * d, 1);
    if (trainable === false) buffers += size;
    else for (const counts of both(moduleOf(name))) counts.parameters += size;
  }
  for (const { name, multiplyAdds, outputs } of model.layers) {
    for (const counts of both(name)) {
      counts.multiplyAdds += multiplyAdds;
      counts.activations += outputs;
    }
  }
  return { name: '', ...total, buffers, modules: Array.from(modules, ([name, counts]) => ({ name, ...counts })) };
}

/** `conv_in.weight` → `conv_in`. */
const moduleOf = (parameter: string) => parameter.slice(0, Math.max(parameter.lastIndexOf('.'), 0));

/** The summary as a text table. The last row is the total. */
export function summaryText(model: Model, options: { readonly depth?: number } = {}): string {
  const { modules, buffers, ...total } = summary(model, options);
  const rows = [...modules, { ...total, name: buffers === 0 ? 'total' : `total (and ${buffers} in buffers)` }].map(
    (row) => [row.name, ...[row.parameters, row.multiplyAdds, row.activations].map((n) => n.toLocaleString('en-US'))],
  );
  const table = [['module', 'parameters', 'multiply-adds', 'activations'], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n');
}
