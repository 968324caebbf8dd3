/** jax-js computes the step of the DiT block. Each use of an array but the last takes a reference, `.ref`. */
import { type Array as JaxArray, defaultDevice, init, jit, nn, numpy as np, valueAndGrad } from '@jax-js/jax';
import { block, blockArrays, type BlockName } from '../speed/steps.js';
import { serve } from './serve.js';

type Params = { [name in BlockName]: JaxArray };

const { batch, tokens, width, heads, lr, epsilon } = block;

function linear(x: JaxArray, weight: JaxArray, bias: JaxArray): JaxArray {
  return np.matmul(x, weight).add(bias);
}

function modulated(h: JaxArray, shift: JaxArray, scale: JaxArray): JaxArray {
  return nn.standardize(h, -1, { epsilon }).mul(scale.add(1)).add(shift);
}

function loss(p: Params, x: JaxArray, c: JaxArray): JaxArray {
  const modulation = linear(nn.silu(c), p.modulation, p.modulationBias).reshape([batch, 1, 6 * width]);
  const [shift1, scale1, gate1, shift2, scale2, gate2] = np.split(modulation, 6, 2) as Six;
  const qkv = linear(modulated(x.ref, shift1, scale1), p.qkv, p.qkvBias);
  const parts = np.split(qkv, 3, 2).map((part) => part.reshape([batch, tokens, heads, width / heads]));
  const [q, k, v] = parts as [JaxArray, JaxArray, JaxArray];
  const mixed = nn.dotProductAttention(q, k, v).reshape([batch, tokens, width]);
  const h = x.add(gate1.mul(linear(mixed, p.proj, p.projBias)));
  const hidden = nn.gelu(linear(modulated(h.ref, shift2, scale2), p.first, p.firstBias), { approximate: true });
  const out = h.add(gate2.mul(linear(hidden, p.second, p.secondBias)));
  return np.mean(np.square(out));
}

type Six = [JaxArray, JaxArray, JaxArray, JaxArray, JaxArray, JaxArray];

/** The new parameters, and the loss before. */
const update = jit((params: Params, x: JaxArray, c: JaxArray): [Params, JaxArray] => {
  const held = Object.fromEntries(Object.entries(params).map(([name, value]) => [name, value.ref])) as Params;
  const [value, grads] = valueAndGrad(loss)(held, x, c) as [JaxArray, Params];
  const next = Object.entries(params).map(([name, old]) => [name, old.sub(grads[name as BlockName].mul(lr))]);
  return [Object.fromEntries(next) as Params, value];
});

serve(async (work, backend) => {
  if (work !== 'block') throw new RangeError(`jax-js is given the block only, not ${work}`);
  const device = backend as 'wasm' | 'webgpu';
  if (!(await init(device)).includes(device)) throw new RangeError(`jax-js has no ${backend} here`);
  defaultDevice(device);
  const arrays = blockArrays();
  const toJax = ({ data, shape }: { readonly data: ArrayLike<number>; readonly shape: readonly number[] }) =>
    np.array(Float32Array.from(data)).reshape([...shape]);
  let params = Object.fromEntries(Object.entries(arrays.params).map(([name, value]) => [name, toJax(value)])) as Params;
  const [x, c] = [toJax(arrays.x), toJax(arrays.c)];
  return async () => {
    const [next, value] = update(params, x.ref, c.ref);
    params = next;
    return Number((await value.data())[0]);
  };
});
