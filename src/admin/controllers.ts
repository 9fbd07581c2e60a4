/** /v1/controllers: what hosts have connected. */

import { type Static, Type } from '../json-schema.js';
import type { ControllerView } from '../subsystem/views.js';
import { listRoute } from './listing.js';
import type { ResourcePlugin } from './sources.js';

const controllerSchema = Type.Object({
  cntlid: Type.Integer(),
  kind: Type.Union([Type.Literal('io'), Type.Literal('discovery')]),
  subsystem: Type.String(),
  host_nqn: Type.String(),
  host_id: Type.String(),
  state: Type.String(),
  keep_alive_timeout_ms: Type.Integer(),
  qids: Type.Array(Type.Integer(), { description: 'Connected queues; 0 is the admin queue.' }),
  connected_at: Type.String({ format: 'date-time' }),
});

export const controllersPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/controllers', {
    summary: 'The controllers of connected hosts',
    item: controllerSchema,
    sortBy: ['cntlid', 'subsystem', 'host_nqn', 'connected_at'],
    items: () => sources.target.controllers.map(controllerJson),
  });
};

function controllerJson(view: ControllerView): Static<typeof controllerSchema> {
  return {
    cntlid: view.cntlid,
    kind: view.kind,
    subsystem: view.subsystem,
    host_nqn: view.hostNqn,
    host_id: view.hostId,
    state: view.state,
    keep_alive_timeout_ms: view.keepAliveTimeoutMs,
    qids: [...view.qids],
    connected_at: view.connectedAt.toISOString(),
  };
}
