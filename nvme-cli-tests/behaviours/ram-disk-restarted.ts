import type { OuterSide } from '../behaviour.js';

const side: OuterSide = {
  actions: {
    restart: async ({ daemon }) => {
      await daemon.kill();
      await daemon.start();
      return undefined;
    },
  },
};
export default side;
