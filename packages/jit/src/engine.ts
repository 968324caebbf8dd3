import type { Engine } from '@dm/ops';
import { type OnnxEngineOptions, openEngineOn, type EnginePlatform } from './onnx-engine.js';
import { openRuntime } from './runtime/open-runtime.js';
import { probeBlockedConvolutions } from './runtime/probes.js';
import { defaultThreads } from './runtime/processors.js';
import { type Device, devices } from './runtime/runtime.js';
import { sharedUpdates } from './update/shared-updates.js';

/** A device, or one of several cards: `cuda:1` is the second one. */
export type DeviceName = Device | `cuda:${number}`;

/** Options of the engine in Node. */
export interface NodeEngineOptions extends Omit<OnnxEngineOptions, 'device'> {
  /**
   * Compute device, `cpu` by default. On other devices the state stays in the device's memory; each call copies inputs
   * and outputs only, and no operator runs on the CPU instead. `cuda` is the same card as `cuda:0`.
   */
  readonly device?: DeviceName;
  /**
   * On `webgpu` or `cuda`: records the device's commands of a program's first run on a state, and replays them in later
   * runs, which saves the time to prepare each command. There is one recording for each combination of a state's
   * buffers, usually two. Default: false.
   */
  readonly graphCapture?: boolean;
  /**
   * On `cuda`: rounds the operands of float32 products and convolutions to TF32 (10 bits of mantissa), which tensor cores
   * compute faster. Default: false, unlike the default of ONNX Runtime.
   */
  readonly tf32?: boolean;
}

const node: Omit<EnginePlatform, 'openRuntime'> = {
  threads: async (wanted) => wanted ?? defaultThreads(),
  updates: sharedUpdates,
  probeBlocked: probeBlockedConvolutions,
};

/**
 * Opens the compiling engine: it traces a program once per signature of its inputs, lowers it to an ONNX graph, and
 * runs that graph in one session call per step.
 * @throws {RangeError} if `threads` is not a positive integer, `device` or `convolutionLayout` is unknown,
 *   `convolutionLayout` is given for another device than `webgpu`, `graphCapture` for `cpu` or with `profilePrefix`, or
 *   `tf32` for another device than `cuda`
 * @throws {EngineError} if the runtime package is not installed, or the device does not work on this machine
 */
export async function openOnnxEngine(options: NodeEngineOptions = {}): Promise<Engine> {
  const { device: name = 'cpu', graphCapture = false, tf32 = false, ...others } = options;
  const { device, index } = parseDevice(name);
  if (graphCapture) {
    if (device === 'cpu') {
      throw new RangeError(
        'openOnnxEngine: graphCapture is for the devices webgpu and cuda, not for cpu; leave it out or choose a device',
      );
    }
    if (others.profilePrefix !== undefined) {
      throw new RangeError(
        'openOnnxEngine: graphCapture replays runs, which a profile cannot show; leave one of them out',
      );
    }
  }
  if (tf32 && device !== 'cuda') {
    throw new RangeError(`openOnnxEngine: tf32 is for the device cuda only, not for ${device}`);
  }
  const deviceSettings: EnginePlatform['deviceSettings'] = {
    ...(index !== undefined && { deviceIndex: index }),
    ...(graphCapture && { graphCapture }),
    // Recorded even if it is off, since cards compute differently with it.
    ...(device === 'cuda' && { tf32 }),
  };
  const open: EnginePlatform['openRuntime'] = (wanted, ort) => openRuntime(wanted, ort, index);
  return openEngineOn({ ...node, openRuntime: open, deviceSettings }, { ...others, device });
}

/**
 * Splits `cuda:1` into device and index. Names without an index are returned as they are.
 * @throws {RangeError} for another index, or one of another device
 */
function parseDevice(name: DeviceName): { readonly device: Device; readonly index?: number } {
  const digits = /^cuda:(0|[1-9]\d{0,3})$/.exec(name)?.[1];
  if (digits !== undefined) return { device: 'cuda', index: Number(digits) };
  if (!name.includes(':')) return { device: name as Device };
  throw new RangeError(
    `openOnnxEngine: unknown device "${name}"; expected one of ${devices.join(', ')}, or a card of cuda by its index ` +
      '(0 to 9999), such as cuda:1',
  );
}
