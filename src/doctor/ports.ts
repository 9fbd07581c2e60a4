/** Whether the addresses and ports of the configuration can be listened on. Nothing is tried. */

import { hostPortText } from '../config/describe.js';
import { commandOf, processText } from '../device/processes.js';
import type { Endpoint } from '../engine/engine-types.js';
import { canonicalAddress, isLoopback, isWildcard } from '../transport/address.js';
import { listenReason } from '../transport/listen-reason.js';
import { type Finding, finding } from './finding.js';
import { type ListeningSocket, collide, listeningSockets, ownerOf } from './listening-sockets.js';
import { type Patient, hasCapability } from './patient.js';

const UNPRIVILEGED_DEFAULT = 1024;
const DAEMON_COMMAND = 'capsuled serve';

export async function portFindings(patient: Patient): Promise<Finding[]> {
  const sockets = await listeningSockets(patient.files);
  const findings: Finding[] = [];
  for (const endpoint of endpointsOf(patient)) {
    findings.push(await portFinding(patient, endpoint, sockets));
  }
  return findings;
}

/** Each once: subsystems may share a listener. */
function endpointsOf({ configuration: { admin, target } }: Patient): Endpoint[] {
  const all = [
    admin.listen,
    ...target.discoveryListeners,
    ...target.subsystems.flatMap(({ listeners }) => listeners),
  ];
  return [...new Map(all.map((endpoint) => [hostPortText(endpoint), endpoint])).values()];
}

async function portFinding(
  patient: Patient,
  endpoint: Endpoint,
  sockets: readonly ListeningSocket[],
): Promise<Finding> {
  const name = `port ${hostPortText(endpoint)}`;
  const code = await refusal(patient, endpoint);
  if (code !== undefined) {
    return finding(name, 'missing', listenReason(endpoint, { code }), fixOf(code, endpoint));
  }
  if (endpoint.port === 0) return finding(name, 'ok', 'any free port is taken');
  const other = sockets.find((socket) => collide(endpoint, socket));
  if (other === undefined) return finding(name, 'ok', 'free');
  const owner = await ownerOf(patient.files, other);
  if (owner === undefined) {
    return finding(name, 'missing', listenReason(endpoint, { code: 'EADDRINUSE' }), 'ss -ltnp');
  }
  if ((await commandOf(patient.files, owner)) === DAEMON_COMMAND) {
    return finding(name, 'ok', `${DAEMON_COMMAND} listens there (process ${String(owner)})`);
  }
  return finding(
    name,
    'missing',
    `${await processText(patient.files, owner)} listens at ${hostPortText(other)}`,
    'end that, or take another port',
  );
}

/** The name of errno with which listening would fail, whoever else listens. */
async function refusal(patient: Patient, endpoint: Endpoint): Promise<string | undefined> {
  const { files } = patient;
  const isV6 = endpoint.address.includes(':');
  if (isV6 && !(await files.isThere('/proc/net/tcp6'))) return 'EAFNOSUPPORT';
  if (!(await isOwn(patient, endpoint))) return 'EADDRNOTAVAIL';
  const text = await files.text('/proc/sys/net/ipv4/ip_unprivileged_port_start');
  const first = Number(text ?? UNPRIVILEGED_DEFAULT);
  if (endpoint.port === 0 || endpoint.port >= first) return undefined;
  return (await hasCapability(files, 'netBindService')) ? undefined : 'EACCES';
}

async function isOwn({ files, addresses }: Patient, { address }: Endpoint): Promise<boolean> {
  const [plain = '', zone] = address.split('%');
  if (isWildcard(address)) return true;
  if (isLoopback(address) && !address.includes(':')) return true;
  const family = plain.includes(':') ? 'ipv6' : 'ipv4';
  if ((await files.text(`/proc/sys/net/${family}/ip_nonlocal_bind`)) === '1') return true;
  return addresses.some(
    (own) =>
      canonicalAddress(own.address.replace(/%.*/, '')) === canonicalAddress(plain) &&
      (zone === undefined || own.interfaceName === zone),
  );
}

function fixOf(code: string, { port }: Endpoint): string | null {
  if (code === 'EACCES') return `sysctl -w net.ipv4.ip_unprivileged_port_start=${String(port)}`;
  return code === 'EADDRNOTAVAIL' ? 'ip address' : null;
}
