/** The entry for browsers: the functions that need no file system. */
export { FileError, type FileErrorCode } from './errors.js';
export { maxJsonDepth, parseJson } from './parse-json.js';
