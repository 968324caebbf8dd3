import { type Arrays, DmError, float32, type Float32NdArray, type NdArray } from '@dm/ops';
import type { Model } from './model.js';
import { fromTorch, torchShape } from './torch-layout.js';

/**
 * Converts the tensors of a file (PyTorch's names and layout) to parameters in memory layout, in the order of
 * `model.specs`. Accepts the names that diffusers used for attention layers before version 0.15. Buffers with fixed
 * values may be missing; they are computed.
 * @throws {DmError} with the code `MODEL_WEIGHTS_MISMATCH` if a tensor is missing, unknown, not float32, or has another
 *   shape; the message lists all of them
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
      misshaped.push(`${name} must be [${shape.join(', ')}], got [${array.shape.join(', ')}]`);
    } else if (array.dtype !== 'float32') {
      misshaped.push(`${name} must be float32, got ${array.dtype}`);
    } else {
      found.push([name, array]);
    }
  }
  const extra = [...given.keys()].filter((name) => !Object.hasOwn(model.specs, name));
  const complaints = [
    ...list('missing', missing),
    ...list('unknown', extra),
    ...list('with another shape or dtype', misshaped),
  ];
  if (complaints.length > 0) {
    throw new DmError(`The weights do not match this ${model.kind}. ${complaints.join('. ')}.`, {
      code: 'MODEL_WEIGHTS_MISMATCH',
    });
  }
  return fromTorch(model, Object.fromEntries(found)) as Record<string, Float32NdArray>;
}

const list = (what: string, items: readonly string[]) =>
  items.length === 0 ? [] : [`${items.length} ${what}: ${items.join(', ')}`];

const renamed: Readonly<Record<string, string>> = { query: 'to_q', key: 'to_k', value: 'to_v', proj_attn: 'to_out.0' };

/** Current name of a tensor in an old diffusers checkpoint, such as google/ddpm-cifar10-32. */
const currentName = (name: string) =>
  name.replace(
    /(\battentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)$/,
    (_, block: string, part: string, kind: string) => `${block}.${renamed[part]}.${kind}`,
  );
