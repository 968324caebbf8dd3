import { mergeConfig } from 'vitest/config';
import { suite } from '../tools/config/vitest.js';

export default mergeConfig(suite(), { test: { include: ['*.test.ts'] } });
