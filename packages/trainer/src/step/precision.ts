/** Mixed precision: which engines can compute in a precision, and the scale of the loss. */
import type { Engine } from '@dm/ops';
import { GradScaler } from '@dm/optim';
import type { Config } from '../config/schema.js';
import { UserError } from '../errors.js';

type PrecisionConfig = Pick<Config, 'precision' | 'gradScaler'>;

/** Whether the loss is scaled, so that small gradients do not become zero in float16. */
export function scalesLoss({ precision, gradScaler }: PrecisionConfig): boolean {
  return gradScaler !== null && precision.startsWith('f16');
}

/** The scale is not lowered below this: an overflow at scale 1 is a fault of the model or of its learning rate. */
const minScale = 1;

/** The scaler of a training that scales its loss; `state` continues an earlier one. */
export function createGradScaler(config: PrecisionConfig, state?: readonly number[]): GradScaler | undefined {
  return scalesLoss(config) ? new GradScaler({ ...config.gradScaler, minScale }, state) : undefined;
}

/**
 * @throws {UserError} `ENGINE_UNSUITABLE` if the engine or its device cannot compute in the precision
 */
export function checkPrecision({ precision }: PrecisionConfig, { name, info }: Engine): void {
  const device = String(info['device']);
  const is = `precision is ${precision}, but the`;
  const problem =
    precision === 'f32'
      ? undefined
      : name !== 'onnx'
        ? `${is} engine ${name} computes in float32. Set engine=onnx`
        : device === 'cpu' && !precision.endsWith('emulated')
          ? `${is} device cpu computes in float32. Set device to webgpu or cuda, or precision=${precision}-emulated`
          : device === 'webgpu' && precision.startsWith('bf16')
            ? `${is} device webgpu has no bfloat16. Set precision=f16, or device=cuda`
            : undefined;
  if (problem !== undefined) throw new UserError(`${problem}, or precision=f32.`, { code: 'ENGINE_UNSUITABLE' });
}
