/** Entry point of the `dm` command: installs signal handlers before the slow imports (about a second). */
import { guardSignals } from './terminal/endings.js';
import { showLoading } from './terminal/loading.js';

guardSignals();
// Writing the loading line may fail. The main bundle has separate handlers for later output.
process.stderr.on('error', () => {});
const loaded = showLoading(process.stderr);
// A separate bundle, loaded only after the handlers are installed. The computed URL keeps the bundler from inlining it.
const { main } = (await import(String(new URL('./main.js', import.meta.url)))) as { main: () => Promise<void> };
loaded();
await main();
