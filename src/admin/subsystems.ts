/** /v1/subsystems and what is below each of them. */

import { type Static, Type } from '../json-schema.js';
import { TargetError } from '../errors.js';
import type { NamespaceView, SubsystemListenerView, SubsystemView } from '../subsystem/views.js';
import { listRoute } from './listing.js';
import { problemResponses } from './problem.js';
import { endpointSchema } from './endpoint.js';
import type { AdminSources, ResourcePlugin } from './sources.js';

const subsystemSchema = Type.Object({
  nqn: Type.String(),
  serial: Type.String(),
  model: Type.String(),
  allow_any_host: Type.Boolean(),
  cntlid_range: Type.Array(Type.Integer()),
  host_count: Type.Integer(),
  listener_count: Type.Integer(),
  namespace_count: Type.Integer(),
  controller_count: Type.Integer(),
});

const namespaceSchema = Type.Object({
  nsid: Type.Integer(),
  bdev: Type.String(),
  available: Type.Boolean({
    description: 'False if its bdev is not there; what is not known is null then.',
  }),
  read_only: Type.Union([Type.Boolean(), Type.Null()]),
  uuid: Type.Union([Type.String(), Type.Null()]),
  nguid: Type.Union([Type.String(), Type.Null()]),
  eui64: Type.Union([Type.String(), Type.Null()]),
  block_size: Type.Union([Type.Integer(), Type.Null()], { description: 'bytes' }),
  block_count: Type.Union([Type.Integer(), Type.Null()]),
});

const hostSchema = Type.Object({ nqn: Type.String() });

const listenerSchema = Type.Object({
  transport: Type.Literal('tcp'),
  address: Type.String({ description: 'As configured.' }),
  port: Type.Integer({ description: 'As configured; 0 means any free port.' }),
  ana_state: Type.Literal('optimized'),
  actual: Type.Union([endpointSchema, Type.Null()], {
    description: 'Where it listens; null while it does not.',
  }),
});

const nqnParams = Type.Object({ nqn: Type.String() });

export const subsystemsPlugin: ResourcePlugin = async (app, { sources }) => {
  listRoute(app, '/subsystems', {
    summary: 'The NVM subsystems',
    item: subsystemSchema,
    sortBy: ['nqn', 'serial', 'namespace_count', 'controller_count'],
    items: () => sources.target.subsystems.map(subsystemJson),
  });
  app.get(
    '/subsystems/:nqn',
    {
      schema: {
        summary: 'One subsystem',
        params: nqnParams,
        response: { 200: subsystemSchema, ...problemResponses },
      },
    },
    async ({ params }) => subsystemJson(find(sources, params.nqn)),
  );
  listRoute(app, '/subsystems/:nqn/namespaces', {
    summary: 'The namespaces of a subsystem',
    item: namespaceSchema,
    sortBy: ['nsid', 'bdev'],
    params: nqnParams,
    items: ({ nqn }) => namespaces(find(sources, nqn)),
  });
  listRoute(app, '/subsystems/:nqn/hosts', {
    summary: 'The hosts that may connect to a subsystem',
    item: hostSchema,
    sortBy: ['nqn'],
    params: nqnParams,
    items: ({ nqn }) => find(sources, nqn).hosts.map((host) => ({ nqn: host })),
  });
  listRoute(app, '/subsystems/:nqn/listeners', {
    summary: 'Where a subsystem is reached',
    item: listenerSchema,
    sortBy: ['address', 'port'],
    params: nqnParams,
    items: ({ nqn }) => find(sources, nqn).listeners.map(listenerJson),
  });
};

function find({ target }: AdminSources, nqn: string): SubsystemView {
  const found = target.subsystems.find((subsystem) => subsystem.nqn === nqn);
  if (found === undefined) throw new TargetError('not_found', `there is no subsystem ${nqn}`);
  return found;
}

function subsystemJson(view: SubsystemView): Static<typeof subsystemSchema> {
  return {
    nqn: view.nqn,
    serial: view.serial,
    model: view.model,
    allow_any_host: view.allowAnyHost,
    cntlid_range: [...view.cntlidRange],
    host_count: view.hosts.length,
    listener_count: view.listeners.length,
    namespace_count: view.namespaces.length,
    controller_count: view.controllerCount,
  };
}

function namespaces({
  namespaces: served,
  missingNamespaces,
}: SubsystemView): Static<typeof namespaceSchema>[] {
  const unknown = {
    available: false,
    read_only: null,
    uuid: null,
    nguid: null,
    eui64: null,
    block_size: null,
    block_count: null,
  };
  return [
    ...served.map(namespaceJson),
    ...missingNamespaces.map(({ nsid, bdev }) => ({ nsid, bdev, ...unknown })),
  ];
}

function namespaceJson(view: NamespaceView): Static<typeof namespaceSchema> {
  return {
    nsid: view.nsid,
    bdev: view.bdev,
    available: true,
    read_only: view.readOnly,
    uuid: view.uuid,
    nguid: view.nguid,
    eui64: view.eui64,
    block_size: view.blockSize,
    block_count: Number(view.blockCount),
  };
}

function listenerJson({
  configured,
  actual,
}: SubsystemListenerView): Static<typeof listenerSchema> {
  return {
    transport: 'tcp',
    address: configured.address,
    port: configured.port,
    ana_state: 'optimized',
    actual,
  };
}
