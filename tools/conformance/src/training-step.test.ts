// Complete training steps (forward pass, gradients, AdamW) of each type of model on every engine: compares the loss and
// all gradients of the first step, and the parameters after ten steps.
import { mseLoss, normal, normalBatch, weightedMean } from '@dm/core';
import { bufferLayout, dit, flatten, initialize, type Model, parameterLayout, unet2d, unetPresets } from '@dm/models';
import { type Arrays, type Engine, float32, type NdArray, type Program, scalar, splitFlat, viewFlat } from '@dm/ops';
import { adamW } from '@dm/optim';
import * as tf from '@tensorflow/tfjs-core';
import { expect, it } from 'vitest';
import { onEachEngine } from './on-each-engine.js';

const batch = 2;
const steps = 10;
const optimizer = adamW({ lr: 1e-4, weightDecay: 0.01 });

const models: Readonly<Record<string, Model>> = {
  'the UNet of the default preset, at half its width and 8 x 8': unet2d({
    ...unetPresets.mnist,
    sample_size: 8,
    block_out_channels: unetPresets.mnist.block_out_channels.map((channels) => channels / 2),
  }),
  'a UNet with classes, scale and shift, resampling blocks, several heads': unet2d({
    sample_size: 8,
    block_out_channels: [16, 32],
    layers_per_block: 1,
    down_block_types: ['ResnetDownsampleBlock2D', 'AttnDownBlock2D'],
    up_block_types: ['AttnUpBlock2D', 'ResnetUpsampleBlock2D'],
    resnet_time_scale_shift: 'scale_shift',
    attention_head_dim: 8,
    norm_num_groups: 8,
    num_class_embeds: 5,
  }),
  'a DiT with classes and a learned variance': dit({
    input_size: 8,
    in_channels: 3,
    hidden_size: 32,
    depth: 2,
    num_heads: 4,
    num_classes: 5,
  }),
};

/** The model's initialization without zeros: zero-initialized gates would make the gradients of a DiT's blocks zero. */
function start(model: Model) {
  const arrays = initialize(model, 1);
  Object.entries(model.specs).forEach(([name, { init }], index) => {
    const { data } = arrays[name]!;
    if (init.kind === 'zeros')
      normal({ seed: 2, stream: 'init', index }, data.length).forEach((z, i) => (data[i] = z / 20));
  });
  return arrays;
}

function trainingStep(model: Model, activationCheckpointing: boolean): Program {
  const layout = parameterLayout(model);
  const fixed = bufferLayout(model);
  return ({ params, buffers, ...slots }, { x, target, t, cond, ...scalars }) => {
    const lossOf = (flat: tf.Tensor) => {
      const named = { ...splitFlat(flat, layout), ...(buffers && splitFlat(buffers, fixed)) };
      const output = model.apply(named, x!, t!, { activationCheckpointing, ...(cond && { cond }) });
      return weightedMean(mseLoss(output, target!), tf.ones([batch]));
    };
    const { value, grad } = tf.valueAndGrad(lossOf)(params!);
    const next = optimizer.update(params!, grad, slots, scalars);
    return { state: { params: next.params, ...next.slots }, outputs: { loss: value, grad } };
  };
}

function stepInputs(model: Model, step: number): Arrays {
  const indices = Array.from({ length: batch }, (_, i) => i);
  const [height, width, channels] = model.inputShape;
  const cond = Float32Array.from({ length: batch * model.condDim }, (_, i) =>
    i % (model.condDim + 1) === step % 2 ? 1 : 0,
  );
  const scalars = Object.entries(optimizer.scalars(step)).map(([name, value]): [string, NdArray] => [
    name,
    scalar(value),
  ]);
  return {
    x: normalBatch({ seed: 3, stream: 'noise', step, indices }, [height, width, channels]),
    target: normalBatch({ seed: 4, stream: 'noise', step, indices }, [height, width, model.outChannels]),
    t: float32([37 + 80 * step, 990 - 70 * step], [batch]),
    ...(model.numClasses > 0 && { cond: float32(cond, [batch, model.condDim]) }),
    ...Object.fromEntries(scalars),
  };
}

async function train(engine: Engine, model: Model, activationCheckpointing = false) {
  const layout = parameterLayout(model);
  const fixed = bufferLayout(model);
  const arrays = start(model);
  const vector = (data: Float32Array) => float32(data, [data.length]);
  const program = engine.compile(trainingStep(model, activationCheckpointing), { name: model.kind });
  const handle = await program.load({
    params: vector(flatten(arrays, layout)),
    ...(fixed.size > 0 && { buffers: vector(flatten(arrays, fixed)) }),
    ...optimizer.init(layout.size),
  });
  try {
    const first = await program.run(handle, stepInputs(model, 0));
    for (let step = 1; step < steps; step++) await program.run(handle, stepInputs(model, step));
    const { params } = await handle.read(['params']);
    return {
      loss: { loss: first['loss']! },
      gradients: viewFlat(first['grad']!.data as Float32Array, layout),
      params: { params: params! },
    };
  } finally {
    handle.dispose();
    await program.dispose();
  }
}

// The reference is slow plain JavaScript, so all engines share its result.
const references = new Map<string, ReturnType<typeof train>>();

onEachEngine('training', (engine, reference) => {
  it.each(Object.keys(models))(
    '%s',
    async (name) => {
      const model = models[name]!;
      if (!references.has(name)) references.set(name, train(reference, model));
      const expected = await references.get(name)!;
      const actual = await train(engine, model);
      expect(Object.values(expected.gradients).every(({ data }) => data.every(Number.isFinite))).toBe(true);
      expect(actual.loss).toBeAllClose(expected.loss, { rtol: 1e-4, relativeTo: 'norm', rtolOfAll: 1e-6 });
      expect(actual.gradients).toBeAllClose(expected.gradients, { rtol: 1e-4, relativeTo: 'norm', rtolOfAll: 1e-6 });
      expect(actual.params).toBeAllClose(expected.params, { rtol: 1e-4, relativeTo: 'norm', rtolOfAll: 1e-6 });
    },
    300_000,
  );

  it('activation checkpointing does not change the result', async () => {
    const model = models['a DiT with classes and a learned variance']!;
    const [kept, again] = [await train(engine, model), await train(engine, model, true)];
    expect(again.gradients).toBeAllClose(kept.gradients, { rtol: 1e-6, relativeTo: 'norm', rtolOfAll: 1e-6 });
    expect(again.params).toBeAllClose(kept.params, { rtol: 1e-6, relativeTo: 'norm', rtolOfAll: 1e-6 });
  });
});
