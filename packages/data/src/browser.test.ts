import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

  it('writes the same shards as Node, and reads them', async () => {
    const data = node.createMemoryDataset(options);
    const bytes = await browser.formatShard(data);
    expect(bytes).toEqual(await node.formatShard(data));
    const path = join(mkdtempSync(join(tmpdir(), 'dm-shard-')), 'five.shard');
    await node.convertToShard(data, path);
    expect(Buffer.compare(bytes, readFileSync(path))).toBe(0);
    const read = await browser.parseShard(bytes, 'five.shard');
    expect([read.name, read.length, read.shape, read.classes]).toEqual(['five', 5, [2, 2, 3], ['0', '1']]);
    expect(await read.read([4, 1])).toEqual(await data.read([4, 1]));
    const unlabeled = await browser.formatShard(node.createMemoryDataset({ name: 'x', images, shape: [2, 2, 3] }));
    expect((await (await browser.parseShard(unlabeled, 'x')).read([0])).labels).toBeUndefined();
  });

  it('notices a flipped byte of a shard anywhere, and any length that it is cut to', async () => {
    const bytes = await browser.formatShard(node.createMemoryDataset(options));
    for (let at = 0; at < bytes.length; at += 3) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 8);
      await expect(browser.parseShard(changed, 'x'), `byte ${at}`).rejects.toBeInstanceOf(node.DataError);
      await expect(browser.parseShard(bytes.slice(0, at), 'x'), `cut to ${at}`).rejects.toBeInstanceOf(node.DataError);
    }
  });

  it('exports nothing that Node does not', () => {
    expect(Object.keys(node)).toEqual(expect.arrayContaining(Object.keys(browser)));
  });
});
