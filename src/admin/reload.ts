/**
 * POST /v1/reload: reads the configuration file again and makes its changes, with the permission
 * that a signal cannot give. A browser cannot be made to send it: the token is in a header, the
 * body is JSON, and a request with an Origin is refused.
 */

import { type Static, Type } from '../json-schema.js';
import { TargetError } from '../errors.js';
import { type Change, permissions } from '../subsystem/change.js';
import { problemResponses } from './problem.js';
import { type ChangePlugin, writeGuard } from './write-guard.js';

const permissionSchema = Type.Unsafe<(typeof permissions)[number]>({
  type: 'string',
  enum: permissions,
});

const requestSchema = Type.Object(
  {
    allow: Type.Optional(
      Type.Array(permissionSchema, {
        description:
          'What the changes may do: destroy RAM disks and deleted files, take things from connected hosts.',
        default: [],
      }),
    ),
    dry_run: Type.Optional(
      Type.Boolean({ description: 'Say what would be done, do nothing.', default: false }),
    ),
    file: Type.Optional(
      Type.String({
        description:
          'The absolute path of the file that is meant. If the daemon reads another one, it ' +
          'answers file_differs and does nothing. Without it, the file of the daemon is meant.',
      }),
    ),
  },
  { additionalProperties: false },
);

const reportSchema = Type.Object({
  applied: Type.Boolean({ description: 'False for a dry run.' }),
  file: Type.String({ description: 'The file that the daemon has read.' }),
  changes: Type.Array(
    Type.Object({
      kind: Type.String(),
      key: Type.String({ description: 'The key of config.yaml that it comes from.' }),
      text: Type.String(),
      notice: Type.Union([Type.String(), Type.Null()], {
        description: 'What hosts, or data, have of it; null if nobody need notice.',
      }),
      needs: Type.Array(permissionSchema),
    }),
    { description: 'In the order in which they are made.' },
  ),
  warnings: Type.Array(Type.String()),
});

export const reloadPlugin: ChangePlugin = async (app, { sources, hasToken }) => {
  app.post(
    '/reload',
    {
      onRequest: writeGuard(hasToken),
      schema: {
        summary: 'Take the configuration file as it is now',
        body: requestSchema,
        response: { 200: reportSchema, ...problemResponses },
      },
    },
    async ({ body, headers }) => {
      if (headers['content-type']?.split(';')[0]?.trim() !== 'application/json') {
        throw TargetError.expected(
          'argument_invalid',
          'application/json',
          'content-type',
          headers['content-type'],
        );
      }
      const { allow = [], dry_run: dryRun = false, file: meant } = body;
      const { file, changes, warnings } = await sources.reload({
        allow,
        dryRun,
        ...(meant === undefined ? {} : { file: meant }),
      });
      return {
        applied: !dryRun,
        file,
        changes: changes.map(changeJson),
        warnings: [...warnings],
      };
    },
  );
};

function changeJson(change: Change): Static<typeof reportSchema>['changes'][number] {
  return { ...change, needs: [...change.needs] };
}
