/** The device of a run, in words. */
import type { DeviceProbe } from '../worker/messages.js';

/** Such as `CPU, 2 threads`, and the times of a step if both devices were measured. */
export function deviceText(device: string, threads: string, probe?: DeviceProbe): string {
  const cpu = `CPU, ${threads === '1' ? '1 thread' : `${threads} threads`}`;
  const name = device === 'cpu' ? cpu : 'GPU';
  if (probe === undefined) return name;
  if (probe['failed'] !== undefined) return `${name} (the GPU failed)`;
  const ms = (key: string) => `${Math.round(Number(probe[key]))} ms`;
  return `${name} (a step: CPU ${ms('cpu')}, GPU ${ms('webgpu')})`;
}
