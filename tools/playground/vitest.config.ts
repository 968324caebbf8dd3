import { mergeConfig } from 'vitest/config';
import { suite } from '../config/vitest.js';

export default mergeConfig(suite(), { test: { exclude: ['**/*.browser.test.ts'] } });
