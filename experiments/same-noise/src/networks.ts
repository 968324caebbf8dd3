/** The networks compared. All are class-conditional and trained on MNIST at 28x28. */
import { digitRecipes } from '@dm/experiments';
import type { PartialConfig } from '@dm/trainer';

export interface Network {
  readonly description: string;
  readonly config: PartialConfig;
  /** Training steps, as in the experiment `start`, or as in the preset of the DiT. */
  readonly steps: number;
  readonly seeds: readonly number[];
}

export const networks = {
  adamw: { ...digitRecipes['mnist'], steps: 1300, seeds: [101, 102, 103] },
  muon: { ...digitRecipes['mnist-fast'], steps: 1140, seeds: [101, 102, 103] },
  x0: { ...digitRecipes['x0-v'], steps: 1140, seeds: [101, 102, 103] },
  flow: { ...digitRecipes['flow-muon'], steps: 1140, seeds: [101, 102, 103] },
  dit: {
    description: 'DiT, CLTS, MDLRC, AdamW, v-prediction on the cosine schedule (preset mnist-dit)',
    config: { preset: 'mnist-dit' },
    steps: 2000,
    seeds: [101, 102],
  },
  untrained: {
    description: 'the UNet after one training step',
    config: { preset: 'mnist' },
    steps: 1,
    seeds: [101, 102, 103],
  },
} as const satisfies Readonly<Record<string, Network>>;

export type NetworkName = keyof typeof networks;

/** Directory name of a network's run: recipes of the experiment `start` share its runs. */
export const runNames: Readonly<Record<NetworkName, string>> = {
  adamw: 'mnist',
  muon: 'mnist-fast',
  x0: 'x0-v',
  flow: 'flow-muon',
  dit: 'mnist-dit',
  untrained: 'mnist-untrained',
};

/** Pairs of networks with different seeds, from one group or from two. */
export interface PairGroup {
  readonly name: string;
  readonly networks: readonly [NetworkName, NetworkName];
}

export const groups: readonly PairGroup[] = [
  { name: 'another initialization', networks: ['adamw', 'adamw'] },
  { name: 'another initialization, Muon', networks: ['muon', 'muon'] },
  { name: 'another initialization, x0', networks: ['x0', 'x0'] },
  { name: 'another initialization, flow', networks: ['flow', 'flow'] },
  { name: 'another initialization, DiT', networks: ['dit', 'dit'] },
  { name: 'another optimizer, noise schedule, and curriculum', networks: ['adamw', 'muon'] },
  { name: 'another prediction target', networks: ['muon', 'x0'] },
  { name: 'diffusion and rectified flow', networks: ['muon', 'flow'] },
  { name: 'another recipe and prediction target', networks: ['adamw', 'x0'] },
  { name: 'another recipe and process', networks: ['adamw', 'flow'] },
  { name: 'another prediction target and process', networks: ['x0', 'flow'] },
  { name: 'UNet and DiT', networks: ['adamw', 'dit'] },
  { name: 'rectified flow and DiT', networks: ['flow', 'dit'] },
  { name: 'untrained', networks: ['untrained', 'untrained'] },
];
