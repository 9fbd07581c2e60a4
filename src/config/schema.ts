/**
 * The one schema of config.yaml. It gives the TypeScript types, the reader's checks, the JSON
 * Schema for editors (docs/reference/config.schema.json) and the reference page
 * (docs/reference/config.md).
 */

import { type Static, Type } from '../json-schema.js';
import { bdevSchema } from '../bdev/kinds.js';
import { qosField } from '../bdev/qos.js';
import {
  choice,
  duration,
  flag,
  hostPort,
  integer,
  list,
  nullableText,
  section,
  size,
  text,
} from './schema-fields.js';

export const CORE_MAX = 4095;

const engineSchema = Type.Object(
  {
    reactors: Type.Unsafe<'auto' | number | number[]>({
      description:
        'The threads that move the data, each pinned to a core: a count, or a list of cores. `auto`: one fewer than ' +
        'the cores that the process may use, at least 1 and at most 4. `auto` and a count take the highest cores.',
      default: 'auto',
      'x-effect': 'restart',
      anyOf: [
        { type: 'string', enum: ['auto'] },
        { type: 'integer', minimum: 1, maximum: 64 },
        {
          type: 'array',
          minItems: 1,
          maxItems: 64,
          items: { type: 'integer', minimum: 0, maximum: CORE_MAX },
        },
      ],
    }),
    poll: choice(['adaptive', 'busy', 'interrupt'], {
      description:
        'How a reactor waits: `adaptive` spins for idle_after, then sleeps; `busy` never sleeps; `interrupt` sleeps at ' +
        'once.',
      default: 'adaptive',
      effect: 'restart',
    }),
    idle_after: duration({
      description: 'Adaptive: how long to spin after the last work; less while that finds nothing.',
      default: '50us',
      least: '0',
      most: '1s',
      effect: 'restart',
    }),
    memory: size({
      description:
        'I/O buffers, all reactors together; at least 16MiB for each. Untouched memory costs nothing.',
      default: '256MiB',
      least: '16MiB',
      most: '1TiB',
      effect: 'restart',
    }),
    hugepages: choice(['auto', 'never', 'required'], {
      description:
        'Huge pages for the I/O buffers: taken if there are any, never, or an error if there are none.',
      default: 'auto',
      effect: 'restart',
    }),
    connections_max: integer(16, 65536, {
      description:
        'Connections of all hosts together. A quarter at most is for peers before Connect, an eighth for discovery ' +
        'controllers; docs/internals/limits.md has the shares of an address and of a host. Lowered, with a warning, to ' +
        'what the limit of open files allows.',
      default: 4096,
      effect: 'restart',
    }),
    connect_timeout: duration({
      description:
        'A new connection must have sent its ICReq, and then all of its Connect, after this time.',
      default: '10s',
      least: '100ms',
      most: '10m',
      effect: 'restart',
    }),
    pdu_timeout: duration({
      description:
        'A PDU that has begun must be complete after this time, and one second more for each 64KiB of its length.',
      default: '30s',
      least: '100ms',
      most: '10m',
      effect: 'restart',
    }),
  },
  section('The threads and the memory that move the data.'),
);

const adminSchema = Type.Object(
  {
    listen: hostPort({
      description: 'HTTP: /metrics, /healthz, /readyz, /v1/…. Port 0 takes any free port.',
      default: '127.0.0.1:9920',
      effect: 'restart',
    }),
    token_file: nullableText('path', {
      description:
        'File whose content is the bearer token that every request but /healthz and /readyz must carry; without it ' +
        '/readyz gives no reasons. Required when listening beyond loopback. A relative path begins at the folder of ' +
        'this file. The content is read again at each reload.',
      default: null,
      effect: 'restart',
    }),
    allowed_hosts: Type.Array(
      text('host_name', { description: 'Name of this machine.', effect: 'restart' }),
      list({
        description:
          'Names that a request may ask for in its Host header, beside localhost and addresses. ' +
          'Others are refused, because a foreign page can make a browser ask for its own name here.',
        default: [],
        effect: 'restart',
      }),
    ),
  },
  section('The HTTP side-car.'),
);

const transport = choice(['tcp'], {
  description: 'Transport.',
  default: 'tcp',
  effect: 'reload',
});
const address = text('address', {
  description:
    'IPv4 or IPv6 address to listen on: 0.0.0.0 for all of IPv4, :: for all of both. A link-local address has its ' +
    'zone: fe80::1%eth0.',
  effect: 'reload',
});

function listenPort(port: number) {
  return integer(0, 65535, {
    description: 'TCP port; 0 takes any free port, shown at start.',
    default: port,
    effect: 'reload',
  });
}

const discoveryListenerSchema = Type.Object(
  {
    transport,
    address,
    port: listenPort(8009),
  },
  section('Where the discovery service listens.'),
);

const discoverySchema = Type.Object(
  {
    listeners: Type.Array(
      discoveryListenerSchema,
      list({
        description:
          'Listeners for discovery alone; every subsystem listener answers discovery too.',
        default: [{ transport: 'tcp', address: '127.0.0.1', port: 8009 }],
        effect: 'reload',
      }),
    ),
  },
  section('The discovery service.'),
);

const hostObjectSchema = Type.Object(
  {
    nqn: text('host_nqn', { description: 'NQN of the host.', effect: 'reload' }),
  },
  section('A host that may connect.', ['psk_file', 'dhchap_key_file', 'dhchap_ctrl_key_file']),
);

const listenerSchema = Type.Object(
  {
    transport,
    address,
    port: listenPort(4420),
    ana_state: choice(['optimized'], {
      description: 'Asymmetric namespace access state of this path.',
      default: 'optimized',
      effect: 'reload',
    }),
  },
  section('Where a subsystem is reached. Several subsystems may share an address and port.'),
);

const namespaceSchema = Type.Object(
  {
    nsid: integer(1, 1024, {
      description: 'Namespace ID.',
      effect: 'reload',
    }),
    bdev: text('name', { description: 'Name of the bdev behind it.', effect: 'reload' }),
    uuid: Type.Optional(
      text('uuid', {
        description:
          'UUID. Default: the identity of the disk, recorded with it; a RAM disk has another one each time. ' +
          'One that is written must be the recorded one, if there is one.',
        effect: 'new',
      }),
    ),
    nguid: Type.Optional(
      text('nguid', {
        description: 'NGUID, 32 hexadecimal digits. Default: derived from the UUID.',
        effect: 'new',
      }),
    ),
    eui64: Type.Optional(
      text('eui64', {
        description: 'EUI-64, 16 hexadecimal digits. Default: none.',
        effect: 'new',
      }),
    ),
    read_only: flag({
      description: 'Refuse writes with Namespace is Write Protected.',
      default: false,
      effect: 'reload',
    }),
    qos: qosField,
  },
  section('A namespace of the subsystem.', ['block_size', 'ana_group', 'hosts']),
);

const subsystemSchema = Type.Object(
  {
    nqn: text('nqn', { description: 'NQN of the subsystem.', effect: 'reload' }),
    serial: Type.Optional(
      text('serial', {
        description:
          'Serial number, up to 20 characters. Default: of this machine and the NQN. Two machines that show the same ' +
          'disk have the same.',
        effect: 'new',
      }),
    ),
    model: text('model', {
      description: 'Model number, up to 40 characters.',
      default: 'capsuled',
      effect: 'new',
    }),
    allow_any_host: flag({
      description: 'Let every host connect, whatever its NQN.',
      default: false,
      effect: 'reload',
    }),
    hosts: Type.Array(
      Type.Unsafe<{ nqn: string }>({
        anyOf: [
          { type: 'string', format: 'host_nqn', description: 'NQN of the host.' },
          hostObjectSchema,
        ],
      }),
      list({
        description: 'The hosts that may connect: NQNs, or objects with an `nqn`.',
        default: [],
        effect: 'reload',
      }),
    ),
    cntlid_range: Type.Array(
      integer(1, 65519, { description: 'First and last controller ID.', effect: 'reload' }),
      {
        ...list({
          description:
            'First and last controller ID that this subsystem gives out. Controllers that exist keep theirs.',
          default: [1, 65519],
          effect: 'reload',
        }),
        minItems: 2,
        maxItems: 2,
      },
    ),
    listeners: Type.Array(
      listenerSchema,
      list({ description: 'Where hosts reach the subsystem.', default: [], effect: 'reload' }),
    ),
    namespaces: Type.Array(
      namespaceSchema,
      list({ description: 'The namespaces of the subsystem.', default: [], effect: 'reload' }),
    ),
  },
  section('An NVM subsystem: what a host connects to.'),
);

const logSchema = Type.Object(
  {
    level: choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], {
      description:
        'The least severe events that are logged. Why the daemon ends, why a reload was refused, ' +
        'and that lines of the log were lost, is logged at every level.',
      default: 'info',
      effect: 'reload',
    }),
    format: choice(['auto', 'pretty', 'json'], {
      description: '`auto`: pretty on a terminal, JSON lines otherwise.',
      default: 'auto',
      effect: 'restart',
    }),
  },
  section('The log, on standard output.'),
);

export const configurationSchema = Type.Object(
  {
    version: integer(1, 1, { description: 'Version of this format.', effect: 'restart' }),
    state_directory: nullableText('path', {
      description:
        'Where the daemon remembers which disk is which over restarts; made when it is needed, for one daemon alone. ' +
        'Default: $STATE_DIRECTORY, which systemd sets, else `capsuled-state` in the folder of this file.',
      default: null,
      effect: 'restart',
    }),
    engine: engineSchema,
    admin: adminSchema,
    discovery: discoverySchema,
    bdevs: Type.Array(
      bdevSchema,
      list({ description: 'The block devices.', default: [], effect: 'reload' }),
    ),
    subsystems: Type.Array(
      subsystemSchema,
      list({ description: 'The NVM subsystems.', default: [], effect: 'reload' }),
    ),
    log: logSchema,
  },
  section('The configuration of capsuled.'),
);

/** The file's content after reading: defaults filled in, bytes as bigint, times in ns. */
export type Configuration = Static<typeof configurationSchema>;

/** What the reader makes of a file with errors: what could not be read is missing. */
export type Draft<T> = T extends bigint | number | string | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? Draft<Item>[]
    : { [Key in keyof T]?: Draft<T[Key]> | undefined };
