/** Who listens where on this machine, as /proc shows it. */

import type { MachineFiles } from '../device/machine-files.js';
import { walkOpenFiles } from '../device/processes.js';
import type { Endpoint } from '../engine/engine-types.js';
import { canonicalAddress, isWildcard, mappedIPv4 } from '../transport/address.js';

export interface ListeningSocket extends Endpoint {
  readonly inode: string;
}

/** Of a table of all connections: there may be very many. */
const TABLE_BYTES_MAX = 64 << 20;
const LISTENING = '0A';
/** Open files of processes that are looked at for the owner of a socket. */
const LINKS_MAX = 1 << 20;

export async function listeningSockets(files: MachineFiles): Promise<ListeningSocket[]> {
  const sockets: ListeningSocket[] = [];
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = (await files.text(table, TABLE_BYTES_MAX)) ?? '';
    for (const line of text.split('\n').slice(1)) {
      const words = line.trim().split(/\s+/);
      const [address = '', port = ''] = (words[1] ?? '').split(':');
      if (words[3] !== LISTENING) continue;
      sockets.push({
        address: addressOf(address),
        port: parseInt(port, 16),
        inode: words[9] ?? '',
      });
    }
  }
  return sockets;
}

/** Words of 32 bits, each with its bytes in the machine's order. */
function addressOf(digits: string): string {
  const bytes = (digits.match(/.{8}/g) ?? []).flatMap((word) => [
    ...Buffer.from(word, 'hex').reverse(),
  ]);
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_none, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  const address = groups.join(':');
  return mappedIPv4(address) ?? canonicalAddress(address);
}

/** Whether only one of the two can be listened on. */
export function collide(left: Endpoint, right: Endpoint): boolean {
  if (left.port !== right.port) return false;
  const [one, other] = [left.address, right.address].map((text) =>
    canonicalAddress(text.replace(/%.*/, '')),
  );
  if (one === undefined || other === undefined) return false;
  if (one === other) return true;
  // `::` is all addresses of either family; 0.0.0.0 is all of its own.
  const isAll = (address: string, of: string): boolean =>
    isWildcard(address) && (address.includes(':') || !of.includes(':'));
  return isAll(one, other) || isAll(other, one);
}

/** The process that has it; undefined: none that this user may see. */
export async function ownerOf(
  files: MachineFiles,
  { inode }: ListeningSocket,
): Promise<number | undefined> {
  let owner: number | undefined;
  await walkOpenFiles(files, LINKS_MAX, async ({ pid, target }) => {
    if (target === `socket:[${inode}]`) owner ??= pid;
  });
  return owner;
}
