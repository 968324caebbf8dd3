/** Flags of the commands that use a feature extractor. */
import type { Command } from 'commander';
import { createProgressBar, type ProgressBar } from '../../terminal/progress-bar.js';
import { extractorNames, resizeMethodNames } from '../../config/names.js';
import type { ExtractorOptions } from '../../eval/extractors/extractor.js';
import type { CommonFlags } from '../common.js';

export interface ExtractorFlags {
  readonly extractor: string;
  readonly weights?: string;
  readonly resize?: string;
}

export function withExtractorOptions(command: Command): Command {
  return command
    .option('--extractor <name>', `what makes features of images: ${extractorNames.join(', ')}`, extractorNames[0])
    .option('--weights <file>', "the extractor's weights, where it has none of its own")
    .option(
      '--resize <method>',
      `how images are brought to the network's size: ${resizeMethodNames.join(', ')} (default: its own)`,
    );
}

/** What `openExtractor` needs of the flags. */
export function extractorOptions({ weights, resize }: ExtractorFlags): ExtractorOptions {
  return { ...(weights !== undefined && { weights }), ...(resize !== undefined && { resize }) };
}

/** Progress on standard error; none beside JSON. */
export function createProgressBarFor({ json }: CommonFlags): ProgressBar {
  return createProgressBar(json === true ? { write: () => {} } : process.stderr);
}
