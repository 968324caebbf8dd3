/** The oldest Node release that the packages run on; `engines` in every package.json says the same. */
const OLDEST_NODE = 20;

/**
 * What to tell a person whose Node is too old, or nothing when it is recent enough.
 *
 * @param {string} version as `process.versions.node` gives it, for example `18.19.1`
 * @returns {string | undefined}
 */
export function nodeComplaint(version) {
  const major = Number(version.split('.')[0]);
  if (major >= OLDEST_NODE) return undefined;
  return `This project needs Node ${OLDEST_NODE} or later; this is Node ${version}. Install a current release from https://nodejs.org and run the command again.`;
}
