/** `dm eval throughput`. */
import { Command } from 'commander';
import { openEngine } from '../../setup/engine.js';
import { openExtractor } from '../../eval/extractors/extractor.js';
import { measureThroughput, throughputText } from '../../eval/extractors/throughput.js';
import { print, printJson } from '../../terminal/output.js';
import { createProgressBar } from '../../terminal/progress-bar.js';
import { type CommonFlags, type EngineFlags, integer, withCommonOptions, withEngineOptions } from '../common.js';
import { extractorOptions, withExtractorOptions, type ExtractorFlags } from './extractor-flags.js';

interface ThroughputFlags extends CommonFlags, EngineFlags, ExtractorFlags {
  readonly count: number;
  readonly imageSize: number;
  readonly imageChannels: number;
  readonly engine: string;
}

export function throughputCommand(): Command {
  const command = new Command('throughput').description(
    'Time a feature extractor on noise images: images per second, and memory.',
  );
  withExtractorOptions(command)
    .option('--count <n>', 'number of images', integer, 1000)
    .option('--image-size <n>', 'image size in pixels', integer, 32)
    .option('--image-channels <n>', 'image channels: 1 or 3', integer, 3);
  return withCommonOptions(withEngineOptions(command, 'onnx')).action(run);
}

async function run(flags: ThroughputFlags): Promise<void> {
  const { count, imageSize, imageChannels, json } = flags;
  const progress = createProgressBar(process.stderr);
  const { onPhase } = progress;
  const engine = await openEngine(flags.engine, { ...flags, onPhase });
  try {
    const extractor = await openExtractor(flags.extractor, { engine, ...extractorOptions(flags) });
    const measured = await measureThroughput(extractor, {
      count,
      shape: [imageSize, imageSize, imageChannels],
      onProgress: progress,
    });
    progress.end();
    await extractor.dispose();
    if (json === true) printJson({ event: 'throughput', ...measured, engine: engine.name, ...engine.info });
    else print(throughputText(measured));
  } finally {
    progress.end();
    await engine.dispose();
  }
}
