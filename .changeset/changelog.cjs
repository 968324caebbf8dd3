// How changesets become entries of CHANGELOG.md: the text alone, without hashes of commits, and one line that names the
// updated dependencies.

/** @typedef {{ readonly summary: string }} Changeset */
/** @typedef {{ readonly name: string, readonly newVersion: string }} Release */

module.exports = {
  /**
   * @param {Changeset} changeset
   * @returns {Promise<string>} a Markdown list item
   */
  async getReleaseLine({ summary }) {
    const [first = '', ...others] = summary.trim().split('\n');
    return [`- ${first}`, ...others.map((line) => (line === '' ? '' : `  ${line}`))].join('\n');
  },

  /**
   * @param {readonly Changeset[]} _changesets
   * @param {readonly Release[]} dependencies
   * @returns {Promise<string>} a Markdown list item; empty without updated dependencies
   */
  async getDependencyReleaseLine(_changesets, dependencies) {
    if (dependencies.length === 0) return '';
    return `- Updated dependencies: ${dependencies.map(({ name, newVersion }) => `${name} ${newVersion}`).join(', ')}`;
  },
};
