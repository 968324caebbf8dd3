// The engines on which the tests of this folder run; engines that are not installed are reported as skipped tests.
import { expect, it } from 'vitest';
import { onnxByJavaScript, startEngines } from './engines.js';

const { reference, others, missing } = await startEngines();

it('compares wasm and onnx with cpu on every machine', () => {
  const { engine } = others.find(({ name }) => name === onnxByJavaScript)!;
  expect(engine.info['runtime']).toBe('onnxruntime-node');
  expect(reference.name).toBe('tfjs-cpu');
  expect(others.map(({ name }) => name)).toEqual(expect.arrayContaining(['tfjs-wasm', 'onnx', onnxByJavaScript]));
});

for (const { name, reason } of missing) {
  // oxlint-disable-next-line vitest/expect-expect -- reported as skipped
  it(`conformance of ${name}`, ({ skip }) => {
    console.warn(`SKIPPED on ${name}: ${reason}`);
    skip(reason);
  });
}
