import { defineConfig } from 'vitest/config';
import { suite } from '../config/vitest.js';

const { test, ...rest } = suite();

export default defineConfig({ ...rest, test: { ...test, include: ['src/**/*.browser.test.ts'] } });
