// Imported before anything else, so that an old version of Node gets this message instead of a syntax error in a
// dependency.
import { nodeComplaint } from './node-version.mjs';

const complaint = nodeComplaint(process.versions.node);
if (complaint) {
  console.error(complaint);
  process.exit(1);
}
