import { describe, expect, it } from 'vitest';
import * as browser from './browser.js';
import * as node from './index.js';

describe('the entry for browsers', () => {
  const images = Uint8Array.from({ length: 5 * 12 }, (_, i) => (i * 7) % 256);
  const options = { name: 'five', images, shape: [2, 2, 3] as const, labels: [0, 1, 0, 1, 1] };

  it('identifies data by the same hash as in Node', async () => {
    const [inBrowser, inNode] = [browser.createMemoryDataset(options), node.createMemoryDataset(options)];
    expect(await inBrowser.hash()).toBe(await inNode.hash());
    const crop = { size: 1, at: 'center' } as const;
    expect(await browser.cropDataset(inBrowser, crop).hash()).toBe(await node.cropDataset(inNode, crop).hash());
  });

  it('exports nothing that Node does not', () => {
    expect(Object.keys(node)).toEqual(expect.arrayContaining(Object.keys(browser)));
  });
});
