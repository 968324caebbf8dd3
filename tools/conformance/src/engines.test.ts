// Which engines the suites of this folder ran on, and, as skipped tests, which they did not.
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
  // oxlint-disable-next-line vitest/expect-expect -- it is there to be seen among the skipped
  it(`conformance of ${name}`, ({ skip }) => {
    console.warn(`SKIPPED on ${name}: ${reason}`);
    skip(reason);
  });
}
