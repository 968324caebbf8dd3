/** Descriptions of the options of optimizers, for help and for the JSON Schema. */

/** By path, as in schema-descriptions.ts. */
export const optimizerTexts: Readonly<Record<string, string>> = {
  'optimizer.lr': 'Initial learning rate (after warm-up).',
  'optimizer.betas': 'beta1 (initial momentum) and beta2 (decay of the squared-gradient average).',
  'optimizer.weightDecay':
    'Decoupled weight decay, multiplied by the learning rate. For adam and sgd: L2 penalty. For muon: of its matrices.',
  'optimizer.decayGroups':
    'Parameter groups that weight decay applies to, such as ["matrix"] for matrices and filters only.',
  'optimizer.warmup': 'Warm-up steps of the learning rate.',
  'optimizer.warmupShare': 'Warm-up as a fraction of totalSteps instead, rounded to steps; needs warmup 0.',
  'optimizer.warmupRule':
    'overlap (default): the schedule from step 0, times (step + 1) / warmup. diffusers: step / warmup, then the schedule.',
  'optimizer.lrSchedule':
    'Learning rate schedule over the run: linear or cosine decay to finalRatio (default: 0) of the initial rate, or inverse square root after decaySteps. For MDLRC use constant with momentumDecay.compensate.',
  'optimizer.momentumDecay':
    'Momentum decay: beta1 decays to finalBeta over the run, slowly at first (demon) or linearly (linear); null keeps it constant.',
  'optimizer.momentumDecay.finalBeta': 'beta1 at the end of the run, at most its initial value (default: 0).',
  'optimizer.momentumDecay.afterWarmup':
    'Decay over the steps after the warm-up only (default: false, over the whole run).',
  'optimizer.momentumDecay.compensate': 'Decay the learning rate along with the momentum (MDLRC).',
  'optimizer.maxGradNorm': 'Gradient clipping by global norm; null for no clipping.',
  'optimizer.form': 'Momentum update: m <- beta m + (1 - beta) g (averaged) or m <- beta m + g (heavyBall).',
  'optimizer.nesterov': 'Use Nesterov momentum.',
  'optimizer.matrixLr':
    'Learning rate of the matrices; lr, betas and eps apply to all other parameters, which Adam updates.',
  'optimizer.matrixMomentum': 'Momentum of the matrices.',
  'optimizer.iterations': 'Newton-Schulz iterations.',
  'optimizer.adjustLr':
    "Scale of an update: original (default), sqrt(max(1, out / in)), or matchRmsAdamW, 0.2 sqrt(max(in, out)), for learning rates of AdamW (match_rms_adamw in PyTorch's Muon).",
  'optimizer.orthogonalize':
    'Matrices that Muon updates: hidden leaves input, output, and time layers to Adam; all leaves none.',
  'optimizer.beta3': 'Decay of the slow average.',
  'optimizer.alpha': 'Weight of the slow average in the update.',
  'optimizer.warmupSteps': 'Warm-up steps of alpha and beta3.',
};
