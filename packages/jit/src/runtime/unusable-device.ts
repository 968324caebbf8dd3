import { EngineError } from '../errors.js';
import { type Device, deviceLabel } from './runtime.js';

/** The error for a device that does not work on this machine, with the runtime's reason and what the device needs. */
export function unusableDevice(device: Device, cause: unknown, hint = hints[device], index?: number): EngineError {
  const message = cause instanceof Error ? cause.message : String(cause);
  // Some of the runtime's messages begin with a location in its own source and the failed assertion.
  const reason = message
    .replace(/^\/\S*onnxruntime\S*:\d+ .* was false\. /s, '')
    .trim()
    .replace(/\.$/, '');
  return new EngineError(
    'DEVICE_UNUSABLE',
    `The device "${deviceLabel(device, index)}" does not work on this machine: ${reason}. ${hint}`,
    { cause },
  );
}

const hints: Record<Device, string> = {
  cpu: '',
  webgpu:
    'It needs a graphics card and its driver: Vulkan on Linux (with libvulkan1, and for NVIDIA libegl1 and libgl1), ' +
    'Direct3D 12 on Windows, Metal on macOS.',
  cuda:
    'It needs Linux on x64, an NVIDIA card, CUDA 12 with cuDNN 9, and the part of onnxruntime-node that its install ' +
    'script fetches: "npm install onnxruntime-node" or "pnpm add --allow-build=onnxruntime-node onnxruntime-node".',
};
