import { type Arrays, DmError, float32, type Float32NdArray, type NdArray } from '@dm/ops';
import type { Model } from './model.js';
import { fromTorch, torchShape } from './torch-layout.js';

/**
 * Weights as a file has them (PyTorch's names and layout) → parameters in memory's layout, in the order of
 * `model.specs`. Names that diffusers gave attention layers before version 0.15 are understood. A buffer with a fixed
 * value may be missing and is then made.
 * @throws {DmError} with the code `MODEL_WEIGHTS_MISMATCH`, listing every tensor that is missing, unknown, not float32, or has another shape
 */
export function loadWeights(model: Model, arrays: Arrays): Record<string, Float32NdArray> {
  const given = new Map(Object.entries(arrays).map(([name, array]) => [currentName(name), array]));
  const missing: string[] = [];
  const misshaped: string[] = [];
  const found: [string, NdArray][] = [];
  for (const [name, spec] of Object.entries(model.specs)) {
    const array = given.get(name);
    const shape = torchShape(spec);
    if (array === undefined) {
      if (spec.init.kind === 'constant') found.push([name, float32(spec.init.values, shape)]);
      else missing.push(name);
    } else if (array.shape.join() !== shape.join()) {
      misshaped.push(`${name} is [${array.shape.join(', ')}], not [${shape.join(', ')}]`);
    } else if (array.dtype !== 'float32') {
      misshaped.push(`${name} is ${array.dtype}, not float32`);
    } else {
      found.push([name, array]);
    }
  }
  const extra = [...given.keys()].filter((name) => !Object.hasOwn(model.specs, name));
  const complaints = [
    ...list('missing', missing),
    ...list('not in the model', extra),
    ...list('of another shape or type', misshaped),
  ];
  if (complaints.length > 0) {
    throw new DmError(`The weights do not fit this ${model.kind}. ${complaints.join('. ')}.`, {
      code: 'MODEL_WEIGHTS_MISMATCH',
    });
  }
  return fromTorch(model, Object.fromEntries(found)) as Record<string, Float32NdArray>;
}

const list = (what: string, items: readonly string[]) =>
  items.length === 0 ? [] : [`${items.length} ${what}: ${items.join(', ')}`];

const renamed: Readonly<Record<string, string>> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

/** The present name of a tensor in an old diffusers checkpoint, such as google/ddpm-cifar10-32. */
const currentName = (name: string) =>
  name.replace(
    /(\battentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)$/,
    (_, block: string, part: string, kind: string) => `${block}.${renamed[part]}.${kind}`,
  );
