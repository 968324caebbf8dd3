import { existsSync, readdirSync } from 'node:fs';
import { configDefaults, defineConfig } from 'vitest/config';

const folders = ['packages', 'experiments']
  .flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`))
  .concat('tools/bootstrap', 'tools/config')
  .filter((folder) => existsSync(`${folder}/vitest.config.ts`));

/** The unit tests of all projects in one run (`npm run test:unit`): they need no build, unlike the long ones. */
export default defineConfig({
  test: {
    projects: folders.map((folder) => ({
      extends: `./${folder}/vitest.config.ts`,
      root: folder,
      test: { name: folder, exclude: [...configDefaults.exclude, '**/*.{e2e,long}.test.ts'] },
    })),
  },
});
