/**
 * The HTTP side-car: metrics, probes, a view of the target, and for who has the token a reload.
 * Never in the way of I/O or of stopping.
 */

import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, LogController } from 'fastify';
import { hostPortText } from '../config/describe.js';
import type { AdminOptions } from '../config/normalize.js';
import { TargetError } from '../errors.js';
import { printableJson } from '../printable.js';
import { PeerLines } from '../subsystem/peer-lines.js';
import { type Clock, systemClock } from '../subsystem/target-options.js';
import { isLoopback } from '../transport/address.js';
import { listenReason } from '../transport/listen-reason.js';
import { acknowledgementPlugin } from './acknowledgement.js';
import { TokenFile, requireToken } from './authorization.js';
import { bdevsPlugin } from './bdevs.js';
import { configurationPlugin } from './configuration.js';
import { connectionsPlugin } from './connections.js';
import { controllersPlugin } from './controllers.js';
import { devicesPlugin } from './devices.js';
import { registerEtags } from './etag.js';
import { healthPlugin } from './health.js';
import { checkHosts } from './host-check.js';
import { HttpPeers } from './http-peers.js';
import { metricsPlugin } from './metrics.js';
import { registerProblems } from './problem.js';
import { coerceQueries } from './query.js';
import { reactorsPlugin } from './reactors.js';
import { refuseConnection, refuseOddities, refuseRequest } from './refusal.js';
import { reloadPlugin } from './reload.js';
import type { AdminSources } from './sources.js';
import { subsystemsPlugin } from './subsystems.js';

export interface AdminServer {
  /** `http://127.0.0.1:9920`, with the real port. */
  readonly url: string;
  /** By resource: how many connections its limits took. */
  readonly limitCounts: ReadonlyMap<string, number>;
  /** Reads the token file again; what it answers puts the token into force. */
  rereadToken: () => Promise<() => void>;
  /** Ends open requests too. */
  close: () => Promise<void>;
}

/** Clients are told so, and with it leave a connection before {@link HttpConnection} ends it. */
const KEEP_ALIVE_MS = 5000;

export async function startAdmin(
  options: AdminOptions,
  sources: AdminSources,
  clock: Clock = systemClock,
): Promise<AdminServer> {
  const { listen, tokenFile, allowedHosts } = options;
  if (tokenFile === null && !isLoopback(listen.address)) {
    throw new TargetError(
      'configuration_invalid',
      `expected a token_file, because ${listen.address} is not a loopback address`,
      { field: 'admin.token_file' },
    );
  }
  const token = tokenFile === null ? null : await TokenFile.open(tokenFile);
  const app = await createApp(sources, token, allowedHosts);
  const peers = new HttpPeers(new PeerLines(sources.logger, clock), clock);
  peers.serve(app.server);
  try {
    await app.listen({ host: listen.address, port: listen.port });
  } catch (thrown) {
    await app.close();
    const reason = `could not listen on ${hostPortText(listen)}: ${listenReason(listen, thrown)}`;
    throw new TargetError('address_unavailable', `admin.listen: ${reason}`, {
      field: 'admin.listen',
      cause: thrown,
    });
  }
  const bound = app.server.address();
  const port = bound === null || typeof bound === 'string' ? listen.port : bound.port;
  return {
    url: `http://${hostPortText({ address: listen.address, port })}`,
    limitCounts: peers.limitCounts,
    rereadToken: async () => (await token?.reread()) ?? (() => undefined),
    close: () => app.close(),
  };
}

/** The application without a socket; tests inject requests into it. */
export async function createApp(
  sources: AdminSources,
  token: TokenFile | null,
  allowedHosts: readonly string[] = [],
): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: sources.logger.child({}, { level: 'warn' }),
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // `HttpPeers` has the deadlines.
    requestTimeout: 0,
    // `checkHosts` asks for the Host header.
    http: { headersTimeout: 0, requireHostHeader: false },
    clientErrorHandler: refuseConnection,
    frameworkErrors: refuseRequest,
    bodyLimit: 64 * 1024,
    routerOptions: { maxParamLength: 512 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, verbose: true } },
  }) as unknown as FastifyInstance;
  // The types of the handlers hold answers to their schemas already; compiling serializers would
  // only cost start-up.
  app.setSerializerCompiler(() => (payload) => printableJson(JSON.stringify(payload)));
  registerProblems(app);
  refuseOddities(app.server);
  coerceQueries(app);
  checkHosts(app, allowedHosts);
  if (token !== null) requireToken(app, token);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'capsuled',
        version: sources.version,
        description: 'An NVMe-over-TCP target: what it serves, to whom, and how it is doing.',
      },
    },
  });
  await app.register(healthPlugin, { sources, token });
  await app.register(metricsPlugin, { sources });
  await app.register(v1, { prefix: '/v1', sources, hasToken: token !== null });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  await app.ready();
  return app;
}

async function v1(
  app: FastifyInstance,
  options: { sources: AdminSources; hasToken: boolean },
): Promise<void> {
  registerEtags(app);
  const resources = [
    subsystemsPlugin,
    controllersPlugin,
    connectionsPlugin,
    bdevsPlugin,
    devicesPlugin,
    reactorsPlugin,
    configurationPlugin,
  ];
  const { sources, hasToken } = options;
  for (const resource of resources) await app.register(resource, { sources });
  for (const change of [acknowledgementPlugin, reloadPlugin]) {
    await app.register(change, { sources, hasToken });
  }
}
