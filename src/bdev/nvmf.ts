/** `nvmf`: a namespace of a remote NVM subsystem, over NVMe/TCP, by one path or several. */

import { formatDuration } from '../config/duration.js';
import { Type } from '../json-schema.js';
import {
  choice,
  duration,
  flag,
  integer,
  list,
  patience,
  section,
  text,
} from '../config/schema-fields.js';
import type { BdevParameters, BdevValue } from '../engine/engine-types.js';
import type { Machine } from '../identity/machine.js';
import { uuidOfDigest } from '../subsystem/identity.js';
import { endpointKey, endpointText } from '../transport/listener.js';
import { nameField } from './fields.js';
import type { BdevKind } from './kind.js';

/** As the engine has it. */
const pathsMax = 16;

const uuidNqnPrefix = 'nqn.2014-08.org.nvmexpress:uuid:';

const transport = choice(['tcp'], { description: 'Transport.', effect: 'new', default: 'tcp' });

function addressField(description: string) {
  return text('address', { description, effect: 'new' });
}

function portField(port: number) {
  return integer(1, 65535, { description: 'TCP port.', effect: 'new', default: port });
}

const pathSchema = Type.Object(
  {
    transport,
    address: addressField('IPv4 or IPv6 address of a port of the subsystem.'),
    port: portField(4420),
  },
  section('A way to the subsystem.'),
);

const discoverySchema = Type.Object(
  {
    transport,
    address: addressField('IPv4 or IPv6 address of a discovery controller.'),
    port: portField(8009),
  },
  section('Who knows the ways to the subsystem.'),
);

const schema = Type.Object(
  {
    name: nameField,
    kind: Type.Literal('nvmf', {
      description: 'A namespace of a remote NVM subsystem, over NVMe/TCP.',
      'x-effect': 'new',
      'x-also': ['nvme_tcp', 'nvmf_tcp', 'nvmeof', 'nvme_of', 'fabrics', 'remote', 'bdev_nvmf'],
    }),
    subnqn: text('nqn', { description: 'NQN of the subsystem.', effect: 'new' }),
    nsid: integer(1, 0xffff_fffe, {
      description: 'Which of its namespaces.',
      effect: 'new',
      default: 1,
    }),
    hostnqn: Type.Optional(
      text('host_nqn', {
        description:
          'NQN that this host connects with. Default: one of this machine, which /v1/bdevs shows, and the error of an opening.',
        effect: 'new',
      }),
    ),
    hostid: Type.Optional(
      text('uuid', {
        description:
          'Host identifier that it connects with. Default: the UUID in hostnqn, or one that follows from it.',
        effect: 'new',
      }),
    ),
    paths: Type.Array(pathSchema, {
      ...list({
        description: `The ways to the subsystem, the preferred one first; up to ${String(pathsMax)}. Not together with discovery.`,
        effect: 'new',
        default: [],
      }),
      maxItems: pathsMax,
    }),
    discovery: Type.Array(discoverySchema, {
      ...list({
        description:
          'Discovery controllers that are asked for the ways to the subsystem: when the bdev is opened, and when a ' +
          'path is lost. They may refer to others. Not together with paths.',
        effect: 'new',
        default: [],
      }),
      maxItems: pathsMax,
    }),
    policy: choice(['active_passive', 'round_robin', 'queue_depth'], {
      description:
        'Which path an operation takes, of those with the best access: `active_passive`, the first; `round_robin`, ' +
        'each in turn; `queue_depth`, the one with the fewest operations.',
      effect: 'new',
      default: 'active_passive',
    }),
    fast_io_fail: patience({
      description:
        'How long operations wait while no path can be used. Then they fail, so that hosts can use another way.',
      effect: 'new',
      default: '60s',
      least: '0',
      most: '24h',
    }),
    controller_loss: patience({
      description:
        'How long a path that was lost is tried again. When no path is tried any more the bdev is closed, and opened ' +
        'anew when the subsystem is there again.',
      effect: 'new',
      default: '600s',
      least: '1s',
      most: '1000h',
    }),
    reconnect_delay: duration({
      description: 'From one try of a lost path to the next.',
      effect: 'new',
      default: '2s',
      least: '100ms',
      most: '10m',
    }),
    keep_alive: duration({
      description:
        'Keep Alive Timeout: a controller that is silent for so long is lost. It is asked twice in that time. 1s at ' +
        'least, or 0: never.',
      effect: 'new',
      default: '10s',
      least: '0',
      most: '1h',
    }),
    timeout: duration({
      description: 'How long a command may be unanswered before its path is given up.',
      effect: 'new',
      default: '30s',
      least: '1s',
      most: '1h',
    }),
    header_digest: flag({
      description: 'CRC32C of the headers of PDUs.',
      effect: 'new',
      default: false,
    }),
    data_digest: flag({
      description: 'CRC32C of the data of PDUs.',
      effect: 'new',
      default: false,
    }),
    queue_entries: integer(2, 1024, {
      description:
        'Entries of the queue pair that each reactor has with each path, or fewer if the controller has fewer; one less ' +
        'may be under way at a time.',
      effect: 'new',
      default: 129,
    }),
  },
  section('A namespace of another target, served on by this one: by several paths, if there are.'),
);

const KEEP_ALIVE_MIN_NS = 1_000_000_000;

interface EndpointDraft {
  readonly address?: unknown;
  readonly port?: unknown;
}

type Endpoints = readonly (EndpointDraft | undefined)[] | undefined;

export const nvmf: BdevKind = {
  schema,
  isVolatile: false,
  isRemovable: true,
  ofMachine: hostOf,
  check: (bdev, path, reader) => {
    const keepAlive = bdev['keep_alive'];
    // Some milliseconds would be nothing, or less than it takes to ask.
    if (typeof keepAlive === 'number' && keepAlive !== 0 && keepAlive < KEEP_ALIVE_MIN_NS) {
      const got = formatDuration(keepAlive);
      reader.error(`${path}.keep_alive`, `expected 0, or a time of 1s or more, got ${got}`);
    }
    const paths = bdev['paths'] as Endpoints;
    const discovery = bdev['discovery'] as Endpoints;
    // What is wrong in them was said.
    if (paths === undefined || discovery === undefined) return;
    if (paths.length === 0 && discovery.length === 0) {
      reader.error(
        `${path}.paths`,
        'expected paths, because there is no "discovery", but there are none',
      );
    } else if (paths.length > 0 && discovery.length > 0) {
      reader.error(`${path}.discovery`, 'expected no "discovery", because there are "paths"');
    }
    for (const [key, endpoints] of Object.entries({ paths, discovery })) {
      const seen = new Set<string>();
      endpoints.forEach((written, index) => {
        const { address, port } = written ?? {};
        if (typeof address !== 'string' || typeof port !== 'number') return;
        const endpoint = { address, port };
        if (seen.has(endpointKey(endpoint))) {
          const again = `expected each once, got ${endpointText(endpoint)} again`;
          reader.error(`${path}.${key}[${String(index)}]`, again);
        }
        seen.add(endpointKey(endpoint));
      });
    }
  },
};

/** Who this host is, where that is not written. */
function hostOf(bdev: BdevParameters, machine: Machine): Record<string, BdevValue> {
  const written = bdev['hostnqn'];
  const own = uuidOfDigest(machine.digest('host', ''));
  const hostnqn = typeof written === 'string' ? written : `${uuidNqnPrefix}${own}`;
  const inName = /uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i.exec(hostnqn)?.[1];
  const hostid =
    bdev['hostid'] ?? inName?.toLowerCase() ?? uuidOfDigest(machine.digest('host', hostnqn));
  return { hostnqn, hostid };
}
