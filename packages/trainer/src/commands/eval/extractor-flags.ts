/** Flags shared by the commands that use a feature extractor. */
import type { Command } from 'commander';
import { extractorNames, resizeMethodNames } from '../../config/names.js';
import type { ExtractorOptions } from '../../eval/extractors/extractor.js';

export interface ExtractorFlags {
  readonly extractor: string;
  readonly weights?: string;
  readonly resize?: string;
  readonly engine?: string;
}

export function withExtractorOptions(command: Command): Command {
  return command
    .option(
      '--extractor <name>',
      `feature extractor: ${extractorNames.join(', ')}; computed by --engine, or onnx by default`,
      extractorNames[0],
    )
    .option('--weights <file>', "the extractor's weights, if they are not bundled")
    .option(
      '--resize <method>',
      `resizing to the network's input size: ${resizeMethodNames.join(', ')} (default: the extractor's)`,
    );
}

/** The options of `openExtractor` that the flags set. */
export function extractorOptions({ weights, resize, engine }: ExtractorFlags): ExtractorOptions {
  return {
    ...(weights !== undefined && { weights }),
    ...(resize !== undefined && { resize }),
    ...(engine !== undefined && { engineName: engine }),
  };
}
