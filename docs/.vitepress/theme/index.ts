import DefaultTheme from 'vitepress/theme';
import type { Theme } from 'vitepress';
import 'katex/dist/katex.min.css';
import './style.css';
import CltsDensity from './CltsDensity.vue';
import ForwardProcess from './ForwardProcess.vue';
import MomentumDecay from './MomentumDecay.vue';
import NoiseSchedules from './NoiseSchedules.vue';
import PlaygroundLink from './PlaygroundLink.vue';

const components = { CltsDensity, ForwardProcess, MomentumDecay, NoiseSchedules, PlaygroundLink };

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    for (const [name, component] of Object.entries(components)) app.component(name, component);
  },
} satisfies Theme;
