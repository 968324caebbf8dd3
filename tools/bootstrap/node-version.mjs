/** The oldest supported major version of Node; the same as `engines` in every package.json. */
const OLDEST_NODE = 20;

/**
 * The error message for a Node version that is too old; undefined if it is supported.
 *
 * @param {string} version as in `process.versions.node`, for example `18.19.1`
 * @returns {string | undefined}
 */
export function nodeComplaint(version) {
  const major = Number(version.split('.')[0]);
  if (major >= OLDEST_NODE) return undefined;
  return `This project needs Node ${OLDEST_NODE} or later; this is Node ${version}. Install a current release from https://nodejs.org and run the command again.`;
}
