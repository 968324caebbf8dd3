/**
 * Registers the gradients of TF.js's ops, so that `tf.grad` works. tfjs-core does not register them itself, and Node
 * cannot import the file that does (its imports have no extensions), so the build bundles it here. The registry is
 * global and shared by ES modules and CommonJS.
 */
// The real package comes first, so that the global engine is created by it and not by the bundled copy.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
