import { defineConfig } from 'vitepress';
import { packages } from './packages.mjs';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { siteLink, sourceOf } from './links.mjs';

const link = (text: string, path: string) => ({ text, link: path });

export default defineConfig({
  title: '@dm',
  description: 'Train diffusion models from TypeScript',
  // The path at which the site is served, such as `/dm/`.
  base: process.env['DM_SITE_BASE'] ?? '/',
  cleanUrls: false,
  lastUpdated: false,
  srcExclude: ['README.md'],
  vite: {
    publicDir: fileURLToPath(new URL('../images', import.meta.url)),
    // The API reference of a package is one page.
    build: { chunkSizeWarningLimit: 4000 },
  },
  markdown: {
    config(md) {
      // A paragraph that only links to a program of examples/ shows it.
      md.core.ruler.push('examples', ({ tokens, Token }) => {
        for (let i = 0; i + 2 < tokens.length; i++) {
          const path = /^\[[^\]]+\]\(\.\.\/(examples\/[\w./-]+\.(ts|js|py))\)$/.exec(tokens[i + 1].content);
          if (tokens[i].type !== 'paragraph_open' || path === null) continue;
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
      link('Guides', '/training-loop'),
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
          link('Troubleshooting', '/troubleshooting'),
        ],
      },
      {
        text: 'Guides',
        items: [
          link('Your own training loop', '/training-loop'),
          link('Timestep tables for Python', '/python'),
          link('Latent diffusion', '/latents'),
          link('Several machines', '/several-machines'),
          link('In a browser', '/browser'),
          link('Engines', '/engines'),
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
