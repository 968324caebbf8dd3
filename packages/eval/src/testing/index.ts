export { fakeExtractor } from './fake-extractor.js';
