import { mergeConfig } from 'vitest/config';
import { suite } from '../../tools/config/vitest.js';

// Some of these tests replace modules, which would affect the other files of the same process.
export default mergeConfig(suite(), { test: { isolate: true } });
