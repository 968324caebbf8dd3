/** Feature extractors by name. */
import { pixelExtractor, type FeatureExtractor } from '@dm/eval';
import { UserError } from '../errors.js';
import { suggestion } from '../nearest.js';

export interface ExtractorOptions {
  /** File of weights, for an extractor that needs one. */
  readonly weights?: string;
}

type Opener = (options: ExtractorOptions) => Promise<FeatureExtractor>;

/** The first is the default. */
export const extractorNames = ['pixels'] as const;

const openers: Readonly<Record<(typeof extractorNames)[number], Opener>> = {
  pixels: () => Promise.resolve(pixelExtractor()),
};

/** Opens an extractor. Throws an Error that names the file or what is missing. */
export async function openExtractor(name: string, options: ExtractorOptions = {}): Promise<FeatureExtractor> {
  const opener: Opener | undefined = Object.hasOwn(openers, name) ? openers[name as keyof typeof openers] : undefined;
  if (opener === undefined) throw new UserError(`Unknown extractor "${name}". ${suggestion(name, extractorNames)}`);
  return opener(options);
}
