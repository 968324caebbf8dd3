/** `dm eval throughput`. */
import { Command } from 'commander';
import { openEngine } from '../engine.js';
import { createCounter } from '../eval/counter.js';
import { extractorNames, openExtractor } from '../eval/extractor.js';
import { measureThroughput, throughputText } from '../eval/throughput.js';
import { numeric, print, printJson, withCommonOptions, type CommonFlags } from './common.js';

interface ThroughputFlags extends CommonFlags {
  readonly extractor: string;
  readonly weights?: string;
  readonly resize?: string;
  readonly count: number;
  readonly imageSize: number;
  readonly imageChannels: number;
  readonly engine: string;
  readonly threads?: number;
}

export function throughputCommand(): Command {
  const command = new Command('throughput')
    .description('Time an extractor on images of noise: images a second, and memory.')
    .option('--extractor <name>', `one of ${extractorNames.join(', ')}`, extractorNames[0])
    .option('--weights <file>', "the extractor's weights, where it has none of its own")
    .option('--resize <method>', "how images come to the network's size (default: its own)")
    .option('--count <n>', 'images to time', numeric, 1000)
    .option('--image-size <n>', 'side of the images', numeric, 32)
    .option('--image-channels <n>', '1 or 3', numeric, 3)
    .option('--engine <name>', 'what computes', 'onnx')
    .option('--threads <n>', 'threads of that engine', numeric);
  return withCommonOptions(command).action(run);
}

async function run(flags: ThroughputFlags): Promise<void> {
  const { extractor: name, weights, resize, count, imageSize, imageChannels, threads, json } = flags;
  const engine = await openEngine(flags.engine, threads === undefined ? {} : { threads });
  const progress = createCounter(json === true ? { write: () => {} } : process.stderr);
  try {
    const extractor = await openExtractor(name, {
      engine,
      ...(weights !== undefined && { weights }),
      ...(resize !== undefined && { resize }),
    });
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
