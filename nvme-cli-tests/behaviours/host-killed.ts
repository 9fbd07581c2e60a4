import type { OuterSide } from '../behaviour.js';

const side: OuterSide = {
  guestIsKilled: true,
  actions: {
    'kill-host': async (outer) => {
      const controllers = await outer.daemon.list('/v1/controllers');
      if (controllers.length !== 1) {
        throw new Error(`expected 1 controller, got ${JSON.stringify(controllers)}`);
      }
      outer.notes.set('killed', true);
      await outer.guest?.kill();
      return undefined;
    },
  },
  // That nothing is left is what the runner looks for after every behaviour.
};
export default side;
