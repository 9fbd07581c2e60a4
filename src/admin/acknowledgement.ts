/** /v1/bdevs/{name}/acknowledge: an operator knows what a bdev has lost. */

import { Type } from '../json-schema.js';
import { bdevStates, type BdevState } from '../subsystem/bdev-condition.js';
import { problemResponses } from './problem.js';
import { type ChangePlugin, writeGuard } from './write-guard.js';

const acknowledged = Type.Object({
  name: Type.String(),
  state: Type.Unsafe<BdevState>({ type: 'string', enum: bdevStates }),
});

export const acknowledgementPlugin: ChangePlugin = async (app, { sources, hasToken }) => {
  app.post(
    '/bdevs/:name/acknowledge',
    {
      onRequest: writeGuard(hasToken),
      schema: {
        summary: 'Take note of what a block device has lost, so that it serves again',
        params: Type.Object({ name: Type.String() }),
        response: { 200: acknowledged, ...problemResponses },
      },
    },
    async ({ params: { name } }) => {
      await sources.target.acknowledgeBdev(name);
      const view = sources.target.bdevs.find((bdev) => bdev.name === name);
      return { name, state: view?.states[0] ?? 'ok' };
    },
  );
};
