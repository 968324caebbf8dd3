import { library } from '../../tools/config/tsup.js';

export default library({ noExternal: [/register_all_gradients/] });
