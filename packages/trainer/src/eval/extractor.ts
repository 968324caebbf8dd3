/** Feature extractors by name. */
import { pixelExtractor, type FeatureExtractor } from '@dm/eval';
import { UserError } from '../errors.js';
import { suggestion } from '../nearest.js';

export interface ExtractorOptions {
  /** File of weights, for an extractor that needs one. */
  readonly weights?: string;
}

const openers: Readonly<Record<string, (options: ExtractorOptions) => Promise<FeatureExtractor>>> = {
  pixels: () => Promise.resolve(pixelExtractor()),
};

/** The first is the default. */
export const extractorNames = Object.keys(openers);

/** Opens an extractor. Throws an Error that names the file or what is missing. */
export async function openExtractor(name: string, options: ExtractorOptions = {}): Promise<FeatureExtractor> {
  const opener = Object.hasOwn(openers, name) ? openers[name] : undefined;
  if (opener === undefined) throw new UserError(`Unknown extractor "${name}". ${suggestion(name, extractorNames)}`);
  return opener(options);
}
