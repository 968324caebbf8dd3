import { katex } from '@mdit/plugin-katex';
import { defineConfig } from 'vitepress';
import { packages } from './packages.mjs';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { siteLink, sourceOf } from './links.mjs';

const link = (text: string, path: string) => ({ text, link: path });

export default defineConfig({
  title: '@dm',
  description: 'Train diffusion models from TypeScript',
  // The path at which the site is served, such as `/dm/`.
  base: process.env['DM_SITE_BASE'] ?? '/',
  cleanUrls: false,
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  lastUpdated: false,
  srcExclude: ['README.md'],
  // The playground, which `playground:build` wrote.
  buildEnd({ outDir }) {
    const playground = fileURLToPath(new URL('../../tools/playground/dist', import.meta.url));
    cpSync(playground, join(outDir, 'playground-app'), { recursive: true });
  },
  vite: {
    publicDir: fileURLToPath(new URL('../images', import.meta.url)),
    // The API reference of a package is one page.
    build: { chunkSizeWarningLimit: 4000 },
  },
  markdown: {
    config(md) {
      // Vue must not interpret braces in the source of formulas.
      // The cast: the plugin has its own, newer types of markdown-it.
      katex(md as unknown as Parameters<typeof katex>[0], {
        output: 'htmlAndMathml',
        transformer: (html) => html.replace(/^<(\w+)/, '<$1 v-pre'),
      });
      // A paragraph that only links to a program of examples/ shows it.
      md.core.ruler.push('examples', ({ tokens, Token }) => {
        for (let i = 0; i + 2 < tokens.length; i++) {
          const path = /^\[[^\]]+\]\(\.\.\/(examples\/[\w./-]+\.(ts|js|py))\)$/.exec(tokens[i + 1]!.content);
          if (tokens[i]!.type !== 'paragraph_open' || path === null) continue;
          const code = new Token('fence', 'code', 0);
          code.content = readFileSync(new URL(`../../${path[1]}`, import.meta.url), 'utf8');
          code.info = path[2]!;
          tokens.splice(i, 3, code);
        }
      });
      // Links of Markdown files are written for the repository.
      md.core.ruler.push('repository-links', ({ tokens, env }) => {
        const page = (env as { readonly relativePath?: string }).relativePath ?? '';
        if (page.startsWith('api/')) return;
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          const href = token.type === 'link_open' ? token.attrGet('href') : null;
          if (href !== null) token.attrSet('href', siteLink(href, sourceOf(page)));
        }
      });
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: [2, 3],
    nav: [
      link('Quick start', '/quick-start'),
      link('Guides', '/own-images'),
      link('Concepts', '/noise-schedules'),
      link('Packages', '/packages/trainer'),
      link('The paper', '/paper'),
      link('API', '/api/'),
    ],
    sidebar: [
      {
        text: 'Start',
        items: [
          link('Quick start', '/quick-start'),
          link('From PyTorch and diffusers', '/from-pytorch'),
          link('Examples', 'https://github.com/dm-diffusion/dm/tree/main/examples'),
          link('Playground', '/playground'),
          link('FAQ', '/faq'),
          link('Troubleshooting', '/troubleshooting'),
        ],
      },
      {
        text: 'Guides',
        items: [
          link('Your own images', '/own-images'),
          link('Resume', '/resume'),
          link('Evaluation', '/evaluation'),
          link('Weights to and from Python', '/interchange'),
          link('Presets', '/presets'),
          link('Command line', '/api/command-line'),
          link('Recipes and your own parts', '/recipes'),
          link('Your own training loop', '/training-loop'),
          link('Timestep tables for Python', '/python'),
          link('Latent diffusion', '/latents'),
          link('Several machines', '/several-machines'),
          link('In a browser', '/browser'),
          link('Engines', '/engines'),
        ],
      },
      {
        text: 'Concepts',
        items: [
          link('Noise schedules', '/noise-schedules'),
          link('CLTS', '/clts'),
          link('Momentum decay', '/momentum-decay'),
          link('Consistency', '/consistency'),
        ],
      },
      {
        text: 'Results',
        items: [
          link('The paper', '/paper'),
          link('Experiments', '/experiments'),
          link('Checks', '/checks'),
          link("The engine's lab notebook", '/engine'),
        ],
      },
      { text: 'Packages', items: packages.map((name) => link(`@dm/${name}`, `/packages/${name}`)) },
      { text: 'API reference', items: packages.map((name) => link(`@dm/${name}`, `/api/${name}`)) },
      { text: 'Contribute', items: [link('Development', '/development'), link('Releases', '/release')] },
    ],
  },
});
