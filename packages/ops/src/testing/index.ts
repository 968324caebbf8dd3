export { expectClose } from './compare.js';
