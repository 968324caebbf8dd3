/** `dm config`. */
import { Command } from 'commander';
import { configJsonSchema } from '../config/json-schema.js';
import { print } from '../terminal/output.js';
import { withCommonOptions } from './common.js';

export function configCommand(): Command {
  const command = new Command('config').description('Work with configuration files.');
  const schema = new Command('schema').description(
    'Print the JSON Schema of configuration files, for editors: dm config schema > dm.schema.json, then add ' +
      '"$schema": "./dm.schema.json" to the file.',
  );
  command.addCommand(
    withCommonOptions(schema).action(() => print(JSON.stringify(configJsonSchema(), null, 2).split('\n'))),
  );
  return command;
}
