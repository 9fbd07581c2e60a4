/** /healthz: the process answers. /readyz: hosts are served as configured. */

import { Type } from '../json-schema.js';
import type { ResourcePlugin } from './sources.js';

const health = Type.Object({ status: Type.Literal('ok') });
const ready = Type.Object({ status: Type.Literal('ready') });
const unready = Type.Object({
  status: Type.Literal('unready'),
  reasons: Type.Array(Type.String()),
});

export const healthPlugin: ResourcePlugin = async (app, { sources }) => {
  app.get(
    '/healthz',
    { schema: { summary: 'Whether the process is alive', response: { 200: health } } },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      schema: {
        summary: 'Whether all listeners are up and all reactors live',
        response: { 200: ready, 503: unready },
      },
    },
    async (_request, reply) => {
      const reasons = [...sources.unreadyReasons()];
      if (reasons.length === 0) return { status: 'ready' as const };
      return reply.code(503).send({ status: 'unready', reasons });
    },
  );
};
