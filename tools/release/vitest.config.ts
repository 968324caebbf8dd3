import { mergeConfig } from 'vitest/config';
import { suite } from '../config/vitest.js';

export default mergeConfig(suite(), { test: { include: ['*.test.ts'] } });
