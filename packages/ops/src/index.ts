export * from './engine.js';
export * from './flat.js';
