/**
 * Importing this file makes `tf.grad` and its relatives work: tfjs-core keeps its gradients apart from its ops, and
 * the file that registers them cannot be imported in Node (extensionless ESM), so the build bundles it here. TF.js's
 * registries are global: one import serves ES modules and CommonJS.
 */
// First the real package, so that the one global engine is its own and not the bundled copy's.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
