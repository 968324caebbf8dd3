export { dmCommand, dmProgram, type DmSurroundings } from './dm-command.js';
export { FileError, readError, writeError, type FileErrorCode } from './errors.js';
export { fileKind, type FileKind, type LinkOptions } from './kind.js';
export {
  openRegularFile,
  openRegularFileAsync,
  readChunks,
  readRegularFile,
  readRegularFileAsync,
  readTextFile,
  splitIntoChunks,
  type OpenFile,
  type OpenOptions,
  type ReadOptions,
} from './read.js';
export {
  atomicWriteFile,
  atomicWriteFileAsync,
  atomicWriteFolder,
  createFile,
  fsyncFile,
  fsyncFolder,
  openForAppend,
  type AtomicWriteOptions,
  type FileData,
} from './write.js';
export { readJsonFile, readJsonLines, type JsonLine } from './json.js';
export { maxJsonDepth, parseJson } from './parse-json.js';
export { insideFolder, listFolder, makeFolder, removeIfEmpty, removeTree } from './folder.js';
export { renameOver, type RenameSystem } from './rename.js';
export { removeLeftovers } from './temporary.js';
