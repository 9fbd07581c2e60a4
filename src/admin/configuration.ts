/** /v1/config: the configuration in force. */

import { Type } from '../json-schema.js';
import { describeConfiguration } from '../config/describe.js';
import { problemResponses } from './problem.js';
import type { ResourcePlugin } from './sources.js';

const configurationSchema = Type.Record(Type.String(), Type.Unknown(), {
  description: 'In the words of config.yaml, defaults included; no secrets.',
});

export const configurationPlugin: ResourcePlugin = async (app, { sources }) => {
  app.get(
    '/config',
    {
      schema: {
        summary: 'The configuration in force',
        response: { 200: configurationSchema, ...problemResponses },
      },
    },
    async () => {
      const { target, configuration } = sources;
      return describeConfiguration(configuration(), target.configuration, target.bdevs);
    },
  );
};
