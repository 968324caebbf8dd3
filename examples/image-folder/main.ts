// Trains a class-conditional UNet on a folder with one subfolder of images per class: `tsx main.ts path/to/images`.
import { generateSamples, train, writeImages, type PartialConfig } from '@dm/trainer';
import { drawShapes } from './draw-shapes.js';

const isSmoke = process.argv.includes('--smoke');
const given = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
const folder = given ?? (await drawShapes('runs/shapes', isSmoke ? 100 : 500));

const config: PartialConfig = {
  data: `folder:${folder}`, // jpg, png, webp, gif, of any size
  imageSize: 32, // the shorter side is resized to this, and the center is cropped
  labelDropout: 0.1, // trains the null class, which classifier-free guidance needs
  flip: true,
  holdOut: 0.05, // images for the validation loss, not trained on
  validation: { every: isSmoke ? 5 : 500 },
  totalSteps: isSmoke ? 10 : 3000,
  out: 'runs/image-folder',
  ...(isSmoke && { batchSize: 4, samples: 3, sampler: { type: 'ddim', steps: 4 } }),
};
// Running this again replaces the run.
const run = await train(config, { overwrite: true, hooks: { onLog: ({ step, loss }) => console.log(step, loss) } });

// The classes in turn. Larger guidance: closer to the class, less varied.
const images = await generateSamples({ run: run.out, perClass: isSmoke ? 1 : 8, guidance: 2 });
await writeImages('runs/image-folder/classes.png', images);
console.log(`${run.step} steps; samples: runs/image-folder/classes.png; report: ${run.report}`);
