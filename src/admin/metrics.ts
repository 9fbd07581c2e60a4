/** /metrics, for Prometheus. */

import { Type } from '../json-schema.js';
import type { ResourcePlugin } from './sources.js';

export const metricsPlugin: ResourcePlugin = async (app, { sources }) => {
  app.get(
    '/metrics',
    {
      schema: {
        summary: 'Metrics as Prometheus text, or OpenMetrics if the Accept header asks for it',
        produces: ['text/plain', 'application/openmetrics-text'],
        response: { 200: Type.String() },
      },
    },
    async (request, reply) => {
      const { contentType, body } = await sources.metrics.scrape(request.headers.accept);
      return reply.type(contentType).send(body);
    },
  );
};
