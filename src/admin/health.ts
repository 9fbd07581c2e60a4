/**
 * /healthz: the process answers. /readyz: hosts are served as configured. Everybody may ask both;
 * the reasons name files, addresses and subsystems, and are for who may see those.
 */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from '../json-schema.js';
import { type TokenFile, mayLook } from './authorization.js';
import type { AdminSources } from './sources.js';

const health = Type.Object({ status: Type.Literal('ok') });
const ready = Type.Object({ status: Type.Literal('ready') });
const unready = Type.Object({
  status: Type.Literal('unready'),
  reasons: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Only for requests with the token, if there is one.',
    }),
  ),
});

interface HealthOptions {
  readonly sources: AdminSources;
  readonly token: TokenFile | null;
}

export const healthPlugin: FastifyPluginAsyncTypebox<HealthOptions> = async (
  app,
  { sources, token },
) => {
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
    async (request, reply) => {
      const reasons = [...sources.unreadyReasons()];
      if (reasons.length === 0) return { status: 'ready' as const };
      reply.code(503);
      if (!mayLook(request, token)) return { status: 'unready' as const };
      return { status: 'unready' as const, reasons };
    },
  );
};
