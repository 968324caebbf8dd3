/**
 * Descriptions of the fields of a configuration, for help and for the JSON Schema. Optimizers, samplers, models, and
 * timestep schedules have files like this one. Training does not load them.
 */
import { datasetForms } from './names.js';

/** By path; `ema(power).decay` is the field of one type of a component, and `ema(rational)` the type itself. */
export const schemaTexts: Readonly<Record<string, string>> = {
  preset: 'Preset that supplies all values not given.',
  data: `Data set: ${datasetForms.join(', ')}.`,
  imageSize: 'Image size in pixels, for image folders, zip archives and emoji; null for other data.',
  imageChannels: '1 for grayscale or 3 for RGB, for image folders and zip archives.',
  imageResize:
    'How images in folders and zip archives are resized: as by Pillow, or, as in earlier versions, by libvips.',
  crop: 'Square crop of every image, at the center or (in training) at a random position; null for no crop.',
  skipBad:
    'Skip images in folders and archives that cannot be decoded, and report them; false raises an error instead.',
  holdOut: 'Fraction of the images to hold out from training, for validation, chosen by their content; null for none.',
  latents:
    'Scaling of data of floats, such as latents of an autoencoder; recorded in the run. null for the defaults, and for images.',
  'latents.layout': 'Order of the axes in .npz and .npy files, and of samples (default: NCHW).',
  'latents.mean': "Subtracted from each channel (default: the data's mean, or 0 if scale is given).",
  'latents.scale':
    'Factor after that, one number or one per channel (default: 1 / standard deviation of the data, or sigmaData / it for prediction edm).',
  'latents.flip': 'Random horizontal flips of latents (default: false); flip is for images.',
  flip: 'Random horizontal flips (probability 0.5); not for digits and letters.',
  conditional: 'Train a class-conditional model if the data has classes; samples then cycle through the classes.',
  labelDropout:
    "Fraction of labels that training replaces by the null class, for classifier-free guidance; null uses the model's own default (class_dropout_prob of dit).",
  model:
    'Model: unet (UNet2DModel of diffusers), dit (facebookresearch/DiT), dit-diffusers (DiTTransformer2DModel of diffusers), uvit, song-unet (SongUNet of NVlabs/edm) or edm2-unet (NVlabs/edm2), and its options.',
  'diffusion.schedule': 'Noise schedule; the type betas takes an explicit list; flow and edm are in continuous time.',
  'diffusion.schedule.betaStart': 'Beta at the first timestep.',
  'diffusion.schedule.betaEnd': 'Beta at the last timestep.',
  'diffusion.schedule.zeroTerminalSnr':
    'Rescale the betas to zero terminal SNR, so that the last timestep is pure noise.',
  'diffusion.schedule.betas': 'One beta per timestep.',
  'diffusion.schedule(flow)': 'Rectified flow in continuous time: x = (1 - s) x_0 + s epsilon.',
  'diffusion.schedule.shift':
    'Shift of the times, in training and by default in sampling; more than 1 for more noise (default: 1).',
  'diffusion.schedule.timeScale': 'Factor of the time s in [0, 1] that the network receives (default: 1000).',
  'diffusion.schedule(edm)': 'EDM in continuous time: x = x_0 + sigma epsilon; the network receives ln(sigma) / 4.',
  'diffusion.schedule.sigmaMin': 'Smallest sigma of sampling and of curricula (default: 0.002).',
  'diffusion.schedule.sigmaMax': 'Largest sigma of sampling and of curricula (default: 80).',
  'diffusion.timesteps': 'T, the number of diffusion steps; in continuous time, of cells for curricula and logs.',
  'diffusion.prediction': 'Prediction type; edm is F of Karras et al. 2022, with the input scaled to unit variance.',
  'diffusion.prediction(flow)': 'The velocity epsilon - x_0 of rectified flow.',
  'diffusion.prediction.sigmaData': 'Standard deviation of the data (default: 0.5).',
  'diffusion.loss':
    'Quantity whose squared error is the loss, such as v for a network that predicts x0; null for the prediction.',
  'diffusion.loss.maxWeight': 'Upper bound of the factor between the two squared errors (default: none); JiT uses 400.',
  'diffusion.loss.sigmaData': 'Standard deviation of the data (default: 0.5).',
  'diffusion.variance':
    'learnedRange trains a variance of 2C output channels with the hybrid loss of Nichol & Dhariwal 2021; null for none.',
  'diffusion.variance.lambda': 'Weight of the variational bound L_vlb in the loss (default: 0.001).',
  curriculum: 'Timestep schedule, which chooses the timesteps to train on, and its options.',
  timestepDraws: 'Draws of timesteps: independent, or stratified, one in each of batchSize equal parts.',
  noiseCandidates: 'Noises drawn per image, of which the nearest to it is used; 1 for plain noise.',
  lossWeighting: 'Loss weight per noise level; constant is the plain MSE.',
  'lossWeighting.zeroSnrWeight':
    "Weight at SNR 0 instead of the closed form (0 for x0 and v); 1 as in the authors' code.",
  normalizeLossWeights: 'Scale the loss weights to mean 1 over the timesteps drawn; null for discrete schedules only.',
  uncertainty:
    "EDM2's learned uncertainty u(sigma), which equalizes the contribution of the noise levels to the loss; null to disable.",
  'uncertainty.lr': "Learning rate of the head, which is trained with Adam; EDM2's is about 0.01.",
  optimizer: 'Optimizer of @dm/optim and its options.',
  ema: 'Average of the weights (EMA) that sampling uses.',
  'ema(power).decay': 'EMA decay per step, warmed up as 1 - (1 + step)^-power.',
  'ema.power': 'Exponent of the warm-up.',
  'ema.invGamma': 'Steps that the warm-up is stretched over (default: 1).',
  'ema.minDecay': 'Smallest decay once the average has begun (default: 0).',
  'ema.updateAfterStep': 'Steps for which the average stays equal to the weights (default: 0).',
  'ema(rational)': "diffusers' EMAModel without use_ema_warmup.",
  'ema(rational).decay': 'EMA decay per step, warmed up as (1 + step) / (10 + step).',
  'ema(fixed).decay': 'EMA decay per step.',
  'ema.images': 'Half-life of the average, in images.',
  'ema.rampUp':
    'Largest half-life as a fraction of the images seen (default: 0.05, or 0.09 with ramp edm2); null for no limit.',
  'ema.ramp': "Images seen: before the step, as in EDM's code (edm, default), or with it, as in EDM2's (edm2).",
  'ema.relativeStd': 'Width of the EMA profile relative to the length of the run, such as 0.05 or 0.1.',
  'ema(scheduleFree)': 'The average that scheduleFreeAdamW maintains.',
  extraEmas:
    'Additional named averages, for --weights <name> of dm sample and dm export; saved as ema-<name>.safetensors.',
  emaSnapshots: 'Snapshots of averages of type karras, for dm ema reconstruct; null for none.',
  'emaSnapshots.every': 'Steps between snapshots.',
  'emaSnapshots.relativeStds': 'Widths of the averages (default: 0.05 and 0.1).',
  'emaSnapshots.dtype': 'Type in the files (default: float32).',
  activationCheckpointing: 'Recompute the activations of blocks in the backward pass: less memory, more time.',
  batchSize: 'Images per step.',
  gradientAccumulation:
    'Micro-batches per step, to save memory; must divide batchSize. The accumulated gradient equals the full-batch gradient, up to rounding.',
  totalSteps: 'Optimizer steps of the whole run, which curriculum and momentum decay are scaled to.',
  budgets: 'Limits of one session.',
  'budgets.seconds':
    'Seconds after which this session saves and stops; does not affect the schedules. null for no limit.',
  'budgets.steps': 'Steps after which this session saves and stops; null for no limit.',
  'budgets.images': 'Images after which this session saves and stops; null for no limit.',
  maxSkippedSteps:
    'Consecutive updates skipped because of a non-finite loss or gradient before the run ends with an error.',
  seed: 'Random seed.',
  initFrom:
    'Initial weights: a run or checkpoint (its EMA weights) or a .safetensors file. Default: random initialization.',
  engine: 'Compute engine.',
  device: 'Device of the engine onnx; cuda:1 is the second card of cuda.',
  threads: 'Number of threads of the engine onnx; null for automatic.',
  graphCapture:
    'Record the commands of the engine onnx on webgpu or cuda in the first run of each program, and replay them later.',
  tf32: 'Let cuda round the operands of float32 products to TF32, which is faster and less exact.',
  precision:
    'Type of the products and convolutions of training, with float32 weights and sums. f16 and bf16 need a device that has them; the emulated ones round in float32.',
  gradScaler: 'Dynamic scaling of the loss with a precision of float16, as by torch.amp.GradScaler; null for none.',
  'gradScaler.initialScale': 'First scale of the loss (default: 65536).',
  'gradScaler.growthFactor': 'Factor by which the scale grows (default: 2).',
  'gradScaler.backoffFactor': 'Factor by which the scale shrinks after an overflow (default: 0.5).',
  'gradScaler.growthInterval': 'Steps without an overflow after which the scale grows (default: 2000).',
  logEvery: 'Steps per line of metrics.jsonl.',
  tensorboard: 'Also write TensorBoard event files to the run folder.',
  sampleEvery: 'Steps between sample grids; 0 for one at the end only.',
  samples: 'Images per sample grid.',
  sampler: 'How samples are generated: a sampler of @dm/core, its noise levels, and clipping.',
  evaluation: 'Evaluation of samples against the data during training.',
  'evaluation.every': 'Steps between evaluations of samples against the data; 0 for none.',
  'evaluation.samples': 'Samples per evaluation, and images of the data to compare them with.',
  'evaluation.metrics': 'Metrics; the first one selects the best checkpoint.',
  'evaluation.extractor': 'Feature extractor of these metrics.',
  'evaluation.extractor.weights': 'File with its weights; null if they are bundled.',
  'evaluation.extractor.resize': "Resizing to the network's input size; null for the extractor's default.",
  probe: 'Loss and gradient per noise bucket on fixed images, every this many steps; 0 for never.',
  validation: 'Validation loss of the averaged weights, by noise range, on images that are held out or test images.',
  'validation.every': 'Steps between measurements of the validation loss; 0 for none.',
  'validation.images': 'Held-out images to measure it on, at most.',
  'validation.draws': 'Draws of noise per image and noise range.',
  'validation.bounds':
    'Also compute the losses of the Wiener filter and of the posterior mean, once, to compare it with.',
  checkpoints: 'When to save checkpoints, and how many to keep.',
  'checkpoints.every': 'Steps between checkpoints; 0 for one at the end only.',
  'checkpoints.minutes': 'Minutes between checkpoints, in addition to every; null for none.',
  'checkpoints.overlap':
    'Steps that may run while a checkpoint is being saved, before training waits for it. With 1, a kill loses at most one save interval; with n, n - 1 steps more. 0 saves synchronously.',
  'checkpoints.keepLast':
    'Number of newest checkpoints to keep, in addition to the best by metric and the one with the lowest loss.',
  out: 'Run folder.',
  recorded: 'Recorded by dm in the config.json of a run (engine, versions, data); ignored on input.',
};
