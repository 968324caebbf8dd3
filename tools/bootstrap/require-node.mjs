// Imported first by start.mjs and test.mjs, so that an old Node says this and not a syntax error of a dependency.
import { nodeComplaint } from './node-version.mjs';

const complaint = nodeComplaint(process.versions.node);
if (complaint) {
  console.error(complaint);
  process.exit(1);
}
