/** Links of repository files as links of the site: pages of the site by their paths, all other files on GitHub. */
import { posix } from 'node:path';

const repository = 'https://github.com/dm-diffusion/dm';

/** The repository file from which a page of docs/ is made. @param {string} page path in docs/, such as `packages/core.md` */
export function sourceOf(page) {
  const readme = /^packages\/([a-z]+)\.md$/.exec(page)?.[1];
  return readme === undefined ? `docs/${page}` : `packages/${readme}/README.md`;
}

/**
 * A link in the repository file `source` as a link of the site. External links, and links within a page, are unchanged.
 *
 * @param {string} href
 * @param {string} source path in the repository
 */
export function siteLink(href, source) {
  if (/^([a-z]+:|#|\/)/.test(href)) return href;
  const [path = '', anchor] = href.split('#');
  const target = posix.normalize(posix.join(posix.dirname(source), path)).replace(/\/$/, '');
  const hash = anchor === undefined ? '' : `#${anchor}`;
  if (target === 'docs/README.md') return `/${hash}`;
  const page = /^docs\/(.+)\.md$/.exec(target)?.[1];
  if (page !== undefined) return `/${page}${hash}`;
  const readme = /^packages\/([a-z]+)(\/README\.md)?$/.exec(target)?.[1];
  if (readme !== undefined) return `/packages/${readme}${hash}`;
  return `${repository}/blob/main/${target}${hash}`;
}
