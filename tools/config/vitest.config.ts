import { mergeConfig } from 'vitest/config';
import { suite } from './vitest.js';

export default mergeConfig(suite(), { test: { include: ['*.test.ts'] } });
