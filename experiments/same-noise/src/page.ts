/** The page results/laptop/README.md. */
import type { Summary } from './compare.js';
import type { Results } from './run.js';

const two = (value: number): string => value.toFixed(2);
const interval = ({ mean, low, high }: Summary): string => `${two(mean)} (${two(low)} to ${two(high)})`;
const range = ({ least, most }: Summary): string => (least === most ? '' : `${two(least)} to ${two(most)}`);
const percent = (value: number): string => `${(100 * value).toFixed(1)}%`;

/** Markdown, as Prettier formats it except for the padding of tables. */
export function resultsPage({ count, steps, networks, missing, groups, gaussian, swapped }: Results): string {
  const lines = [
    '# Digits of different networks from the same noise',
    '',
    'Differently trained networks generate nearly the same digit from the same noise. These networks are trained as long as',
    '`npm start` trains; how many of their digits are readable is in',
    '[the comparison of the recipes](../../../start/results/laptop/README.md).',
    '',
    '![Each column is one noise and one label, each row a network: the digits of a column have the same shape](samples.png)',
    '',
    '| network | what it is | seeds |',
    '| --- | --- | --- |',
    ...networks.map(
      ({ name, description, seeds }) => `| \`${name}\` | ${description} | ${seeds.join(', ') || 'none'} |`,
    ),
    '',
    `Cosines of images from the same ${count} noises, without guidance, with ${steps} evaluations of the network per image. The mean`,
    'image of each label is subtracted first, so that the label explains none of the agreement, and images from other noises',
    "have a cosine near 0. `found` is the share of images for which the other network's image from the same noise is the nearest",
    `of those with the same label; by chance it would be ${percent(10 / count)}. Intervals are 95% confidence intervals over the noises (bootstrap),`,
    'for these networks; ranges are over pairs of networks.',
    '',
    '| pairs | number | same noise | range | found | residual | range |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...groups.map(({ name, networks: [a, b], pairs, same, found, residual }) => {
      const which = a === b ? `\`${a}\`` : `\`${a}\`, \`${b}\``;
      const cells = [pairs, interval(same), range(same), percent(found.mean), interval(residual), range(residual)];
      return `| ${name} (${which}) | ${cells.join(' | ')} |`;
    }),
    '',
    'Networks that are not trained agree too: their images are close to the noise itself, which is the same. `residual` is the',
    'cosine after removing what three images from the same noise explain linearly: the noise itself, the image of another',
    'untrained network, and the image of a Gaussian distribution. A denoiser that is linear in the noisy image knows only the',
    'mean and covariance of each class; from the noise z it generates m + C^(1/2) z. Its own cosine with the networks:',
    '',
    '| network | number | Gaussian, same noise | range |',
    '| --- | --- | --- | --- |',
    ...gaussian.map(
      ({ name, networks: number, same }) => `| \`${name}\` | ${number} | ${interval(same)} | ${range(same)} |`,
    ),
    '',
    ...swapSection(swapped),
    ...(missing.length > 0 ? [`**Missing: ${missing.join('; ')}.**`, ''] : []),
    '`nx run experiment-same-noise:compare` trains the networks that are missing, five to twelve minutes each on two idle cores,',
    'and writes this page.',
    '',
  ];
  return lines.join('\n');
}

function swapSection({ name, networks, swaps }: Results['swapped']): string[] {
  if (swaps.length === 0) return [];
  return [
    '## Which sampling steps decide the image',
    '',
    `The ${networks} networks \`${name}\` make only the sampling steps from timestep t on; the steps before, at more noise, are`,
    'made by the Gaussian distribution of the class (a denoiser that no training can improve on if only mean and covariance',
    'are known) or by the network of the next seed. Similarity to images all of whose steps are made by one network, without',
    'the mean image of each label: `linear first`, to the network itself; `residual`, the same without what is explained',
    'linearly, as above; `own` and `other`, if another network makes the first steps, to the network that makes the last ones',
    'and to the one that makes the first ones.',
    '',
    '| t | log SNR | linear first | residual | own | other |',
    '| --- | --- | --- | --- | --- | --- |',
    ...swaps.map(
      ({ t, logSnr, linear, linearResidual, own, other }) =>
        `| ${t} | ${logSnr.toFixed(1)} | ${interval(linear)} | ${interval(linearResidual)} | ${interval(own)} | ${interval(other)} |`,
    ),
    '',
  ];
}
