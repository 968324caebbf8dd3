// A diffusion model of points in the plane: your own TensorFlow.js model, CLTS, and momentum decay.
import * as dm from '@dm/core';
import { clts } from '@dm/curriculum';
import { float32, openEagerEngine, toTensors } from '@dm/ops';
import { adamW, createTfOptimizer, momentumDecay } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { initializers, layers, sequential } from '@tensorflow/tfjs-layers';

const totalSteps = process.argv.includes('--smoke') ? 400 : 4000;
const engine = await openEagerEngine('tfjs-cpu'); // the model runs on this backend too
const schedule = dm.cosineSchedule();
const roll = (u: number) => [Math.cos, Math.sin].map((f) => (0.2 + 0.8 * u) * f(1.5 * Math.PI * (1 + 2 * u)));

const widths = [3, 64, 64, 64, 64, 2];
const model = sequential();
for (const [seed, n] of widths.slice(0, -1).entries()) {
  const [units, kernelInitializer] = [widths[seed + 1]!, initializers.glorotUniform({ seed })]; // every run is the same
  model.add(layers.dense({ units, inputShape: [n], kernelInitializer, activation: units > 2 ? 'relu' : 'linear' }));
}
/** The model's estimate of the noise in points x [N, 1, 1, 2] at timesteps t [N]. */
const predict = (x: tf.Tensor, t: tf.Tensor) => {
  const input = tf.concat([tf.reshape(x, [-1, 2]), tf.reshape(tf.div(t, 1000), [-1, 1])], 1);
  return tf.reshape(model.apply(input) as tf.Tensor, x.shape);
};

const curriculum = clts({ numTimesteps: schedule.numTimesteps, totalSteps });
const optimizer = createTfOptimizer(adamW(momentumDecay({ lr: 3e-3, totalSteps })));
console.log(`mean distance of samples from the roll, untrained: ${await distance()}`);
for (let step = 0; step < totalSteps; step++) {
  const key = { seed: 0, step, indices: Array.from({ length: 128 }, (_, i) => i) };
  const { timesteps, weights } = curriculum.sample(step, dm.uniformEach({ ...key, stream: 'timesteps' }));
  const levels = dm.noiseLevels(schedule, timesteps);
  optimizer.minimize(() => {
    const { alpha, sigma, t } = toTensors({ ...dm.forwardInputs(levels), ...dm.networkInputs('epsilon', levels) });
    const noises = dm.normalBatch({ ...key, stream: 'noise' }, [1, 1, 2]);
    const { noise, w } = toTensors({ noise: noises, w: float32(weights) }); // CLTS has weights of 1, other schedules not
    const points = Array.from(dm.uniformEach({ ...key, stream: 'order' }), roll);
    const x0 = tf.tensor4d(points.flat(), [128, 1, 1, 2]); // images of one pixel
    const x = dm.addNoise(x0, noise!, { alpha: alpha!, sigma: sigma! });
    return dm.weightedMean(dm.mseLoss(predict(x, t!), noise!), w!);
  });
}
console.log(`after ${totalSteps} steps: ${await distance()}`);

/** Of 200 samples, each from its nearest point on the roll. */
async function distance() {
  const { data } = await dm.sampleImages({
    engine,
    predict: (_, x, t) => predict(x, t),
    state: {},
    prediction: 'epsilon',
    sampler: dm.ddim(),
    path: dm.discretePath(schedule, { steps: 50 }),
    clip: 1,
    shape: [1, 1, 2],
    seed: 0,
    n: 200,
  });
  const curve = Array.from({ length: 500 }, (_, i) => roll(i / 499));
  const nearest = Array.from({ length: 200 }, (_, n) =>
    Math.min(...curve.map(([x, y]) => Math.hypot(x! - data[2 * n]!, y! - data[2 * n + 1]!))),
  );
  return (nearest.reduce((a, b) => a + b) / 200).toFixed(3);
}
