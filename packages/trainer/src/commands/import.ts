/** `dm import`. */
import { dmCommand } from '@dm/files';
import { Command } from 'commander';
import { join } from 'node:path';
import { importPipeline } from '../interchange/import.js';
import { print, printJson, printNote } from '../terminal/output.js';
import { type CommonFlags, withCommonOptions } from './common.js';

interface ImportFlags extends CommonFlags {
  readonly out: string;
}

export function importCommand(): Command {
  const command = new Command('import')
    .description('Import a diffusers pipeline folder, to sample from it or to train from its weights.')
    .argument('<folder>', 'written by save_pretrained: model_index.json, unet/ and scheduler/')
    .requiredOption('--out <folder>', 'new folder for the run');
  return withCommonOptions(command).action(run);
}

async function run(folder: string, { json, out }: ImportFlags): Promise<void> {
  const result = await importPipeline({
    folder,
    out,
    onNote: (text) => printNote(text, { json }, 'note: '),
  });
  if (json === true) printJson({ event: 'end', ...result });
  else {
    print(`${result.model}, ${result.parameters.toLocaleString('en')} parameters: ${result.out}`);
    const config = join(out, 'config.json');
    print(`next:       ${dmCommand(['sample'], { run: out, out: 'samples.png' })}`);
    print(`            ${dmCommand(['train'], { config, 'init-from': out, data: '<data>', out: '<new folder>' })}`);
  }
}
