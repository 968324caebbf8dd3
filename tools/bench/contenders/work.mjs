// Counts the work of one call of a case, from the graphs that the engine compiles for it. Reads { case, optimizer,
// threads } from standard input; prints a line of JSON: { flops, bytes }.
import { readFileSync } from 'node:fs';
import { openOnnxEngine } from '@dm/jit';
import { workOfGraph, workOfUpdate } from '../work.mjs';
import { samplingOf } from './sampling.mjs';
import { trainingOf } from './training.mjs';

const request = JSON.parse(readFileSync(0, 'utf8'));
const training = trainingOf(request.case, request.optimizer);
/** Work of one run of each program. @type {Map<string, import('../work.mjs').Work>} */
const works = new Map();
const total = { flops: 0, bytes: 0 };
const engine = await openOnnxEngine({
  threads: request.threads,
  observer: {
    compiled({ name, graph, format }) {
      const program = name.replace(/, update$/, '');
      const work = format === 'wasm' ? workOfUpdate(graph) : workOfGraph(graph);
      const known = works.get(program);
      // A second signature of a program would be added to the first; the cases have one each.
      if (known !== undefined && format === 'onnx') throw new Error(`${name} was compiled twice`);
      works.set(program, { flops: work.flops + (known?.flops ?? 0), bytes: work.bytes + (known?.bytes ?? 0) });
    },
    ran({ name }) {
      const work = works.get(name);
      total.flops += work?.flops ?? 0;
      total.bytes += work?.bytes ?? 0;
    },
  },
});
if (request.case.kind === 'training') {
  const step = engine.compile(training.program, { name: 'training step' });
  await step.run(await step.load(training.state()), { ...training.batch(0), ...training.scalars(0) });
} else {
  const { sampler, images } = await samplingOf(training, request.case.sampling, engine);
  await sampler.sample(images);
}
console.log(JSON.stringify(total));
await engine.dispose();
