import type { OuterSide } from '../behaviour.js';

const side: OuterSide = {
  actions: {
    'kill-daemon': async ({ daemon }) => {
      await daemon.kill();
      return undefined;
    },
    'start-daemon': async ({ daemon }) => {
      await daemon.start();
      return undefined;
    },
  },
};
export default side;
