import type { OuterSide } from '../behaviour.js';

const side: OuterSide = {
  actions: {
    unplug: async ({ guest }) => {
      await guest?.qmp('device_del', { id: 'ctrl1' });
      return undefined;
    },
    plug: async ({ guest }) => {
      const drive = { id: 'ctrl1', driver: 'nvme', bus: 'port1', drive: 'nvme1', serial: 'TB1' };
      await guest?.qmp('device_add', drive);
      return undefined;
    },
  },
};

export default side;
