// The licenses of everything that npm installs with a package, from its SBOM.

/**
 * Licenses without conditions on software that uses the package. LGPL-3.0-or-later is libvips, which sharp loads as a
 * shared library.
 */
const ALLOWED = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'LGPL-3.0-or-later',
  'MIT',
  'MIT-0',
  'Unlicense',
]);

/**
 * @typedef {object} Sbom the fields of CycloneDX that are used here
 * @property {string} bomFormat
 * @property {{ name: string, version: string,
 *   licenses?: { license?: { id?: string, name?: string }, expression?: string }[] }[]} components
 */

/**
 * Whether an SPDX expression of names, AND, OR, and parentheses is satisfied by allowed licenses.
 *
 * @param {string} expression for example `(MIT OR GPL-3.0)`
 * @returns {boolean}
 */
export function isAllowed(expression) {
  const stripped = expression.replace(/^\((.*)\)$/, '$1');
  if (/[()]/.test(stripped)) return false;
  return stripped.split(/ OR /i).some((all) => all.split(/ AND /i).every((one) => ALLOWED.has(one.trim())));
}

/**
 * The packages of an SBOM whose license is missing or not allowed.
 *
 * @param {Sbom} sbom
 * @returns {string[]} `name@version: license`
 */
export function licenseProblems({ components }) {
  return components
    .map(({ name, version, licenses = [] }) => {
      const found = licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name ?? '');
      return found.length > 0 && found.every(isAllowed)
        ? ''
        : `${name}@${version}: ${found.join(', ') || 'no license'}`;
    })
    .filter((problem) => problem !== '');
}
