/** Integers in the query of a URL, where everything is text; bodies say themselves what is what. */

import type { FastifyInstance } from 'fastify';
import type { SchemaNode } from '../config/schema-node.js';

/** Before the routes. What is no integer stays, and is refused with what it is. */
export function coerceQueries(app: FastifyInstance): void {
  app.addHook('preValidation', async ({ query, routeOptions }) => {
    const { properties } = (routeOptions.schema?.querystring ?? {}) as SchemaNode;
    const given = query as Record<string, unknown>;
    for (const [name, { type }] of Object.entries(properties ?? {})) {
      const text = given[name];
      if (type === 'integer' && typeof text === 'string' && /^-?\d{1,15}$/.test(text)) {
        given[name] = Number(text);
      }
    }
  });
}
