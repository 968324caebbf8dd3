import { suite } from '../../tools/config/vitest.js';

export default suite();
