/** Feature extractors by name. */
import {
  openClassifierExtractor,
  classifierHelp,
  openInceptionExtractor,
  inceptionHelp,
  openMobilenetExtractor,
  createPixelExtractor,
  openRandomExtractor,
  resizeMethods,
  type FeatureExtractor,
  type ResizeMethod,
} from '@dm/eval';
import type { Engine } from '@dm/ops';
import { openEngine } from '../../setup/engine.js';
import type { OnPhase } from '../../setup/phases.js';
import { UserError } from '../../errors.js';
import { extractorNames, type ExtractorName } from '../../config/names.js';
import { suggestion } from '../../config/suggestion.js';

export interface ExtractorOptions {
  /** Path of the weights, for an extractor without bundled weights. */
  readonly weights?: string;
  /** Resizing to the network's input size. Default: the extractor's. */
  readonly resize?: string;
  /** Compute engine, which the caller closes. Default: a new one, which is closed with the extractor. */
  readonly engine?: Engine;
  /** Name of the new engine. Default: `onnx`. */
  readonly engineName?: string;
  /** Receives the start of that new engine and its compilations. */
  readonly onPhase?: OnPhase;
}

/**
 * Opens an extractor.
 *
 * @throws {Error} if a file is invalid, or something is missing (the message says how to get it)
 */
export async function openExtractor(name: string, options: ExtractorOptions = {}): Promise<FeatureExtractor> {
  if (!(extractorNames as readonly string[]).includes(name)) {
    throw new UserError(`Unknown extractor "${name}". ${suggestion(name, extractorNames)}`, { code: 'OPTION_UNKNOWN' });
  }
  const { resize } = options;
  if (resize !== undefined && !(resizeMethods as readonly string[]).includes(resize)) {
    throw new UserError(`--resize ${resize} is unknown. ${suggestion(resize, resizeMethods)}`, {
      code: 'OPTION_UNKNOWN',
    });
  }
  if (name === 'pixels') {
    refuse(name, options);
    return createPixelExtractor();
  }
  const engine = options.engine ?? (await openEngine(options.engineName ?? 'onnx', { onPhase: options.onPhase }));
  try {
    const extractor = await openNetwork(name as Exclude<ExtractorName, 'pixels'>, engine, options);
    if (options.engine !== undefined) return extractor;
    return {
      ...extractor,
      async dispose() {
        await extractor.dispose();
        await engine.dispose();
      },
    };
  } catch (error) {
    if (options.engine === undefined) await engine.dispose();
    throw error;
  }
}

async function openNetwork(
  name: Exclude<ExtractorName, 'pixels'>,
  engine: Engine,
  options: ExtractorOptions,
): Promise<FeatureExtractor> {
  const { weights } = options;
  const common = { engine, ...(options.resize !== undefined && { resize: options.resize as ResizeMethod }) };
  const openers: Record<typeof name, () => Promise<FeatureExtractor>> = {
    mobilenet() {
      if (weights !== undefined) refuse(name, { weights });
      return openMobilenetExtractor(common);
    },
    random() {
      if (weights !== undefined) refuse(name, { weights });
      return openRandomExtractor(common);
    },
    inception() {
      if (weights === undefined) throw new UserError(inceptionHelp);
      return openInceptionExtractor({ ...common, weights });
    },
    classifier() {
      if (options.resize !== undefined) refuse(name, { resize: options.resize });
      if (weights === undefined) throw new UserError(classifierHelp());
      return openClassifierExtractor({ engine, weights });
    },
  };
  return openers[name]();
}

/**
 * Rejects options that an extractor does not support.
 *
 * @throws {UserError} if such an option is given
 */
function refuse(name: string, { weights, resize }: ExtractorOptions): void {
  if (weights !== undefined) throw new UserError(`The extractor ${name} does not use a weights file: omit --weights.`);
  if (resize !== undefined) throw new UserError(`The extractor ${name} has a fixed resize method: omit --resize.`);
}
