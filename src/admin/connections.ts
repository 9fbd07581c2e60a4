/** /v1/connections: the TCP connections. */

import { type Static, type TSchema, Type } from '../json-schema.js';
import type { ConnectionView } from '../subsystem/views.js';
import { endpointSchema } from './endpoint.js';
import { listRoute } from './listing.js';
import type { ResourcePlugin } from './sources.js';

const nullable = <Text extends TSchema>(schema: Text) => Type.Union([schema, Type.Null()]);

const connectionSchema = Type.Object({
  connection: Type.Integer(),
  reactor: Type.Integer(),
  local: endpointSchema,
  peer: endpointSchema,
  opened_at: Type.String({ format: 'date-time' }),
  subsystem: nullable(Type.String()),
  host_nqn: nullable(Type.String()),
  cntlid: nullable(Type.Integer()),
  qid: nullable(Type.Integer()),
});

export const connectionsPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/connections', {
    summary: 'The TCP connections of hosts; null where no Connect was accepted yet',
    item: connectionSchema,
    sortBy: ['connection', 'reactor', 'subsystem', 'host_nqn', 'opened_at'],
    items: () => sources.target.connections.map(connectionJson),
  });
};

function connectionJson(view: ConnectionView): Static<typeof connectionSchema> {
  return {
    connection: view.connection,
    reactor: view.reactor,
    local: view.local,
    peer: view.peer,
    opened_at: view.openedAt.toISOString(),
    subsystem: view.subsystem,
    host_nqn: view.hostNqn,
    cntlid: view.cntlid,
    qid: view.qid,
  };
}
