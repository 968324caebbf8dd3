import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';

/** Machine and software versions, as plain JSON for config.json and the report. */
export function environment(): Record<string, string | number> {
  const processors = cpus();
  return {
    dm: version('@dm/trainer/package.json'),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    tfjs: version('@tensorflow/tfjs-core/package.json'),
  };
}

function version(packageJson: string): string {
  return (createRequire(import.meta.url)(packageJson) as { version: string }).version;
}
