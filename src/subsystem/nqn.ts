/** NVMe Qualified Names (NVMe Base 2.1, 4.7). */

import { isPrintable } from '../printable.js';
import { discoveryNqn, nqnLengthMax } from '../wire/layout.gen.js';

/** `nqn.yyyy-mm.reverse.domain` with an optional `:anything`. */
const datedName = /^nqn\.\d{4}-(0[1-9]|1[0-2])\.[^:\s]+(:.*)?$/u;
const uuidName = /^nqn\.2014-08\.org\.nvmexpress:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/**
 * Why the text is no NQN, as "expected …" for messages; null if it is one. Hosts with names that
 * are not formed by the book exist (they only must begin with `nqn.`), so nothing is asked beyond
 * what lets us store and compare them.
 */
export function nqnFault(text: string): string | null {
  if (Buffer.byteLength(text) > nqnLengthMax) return `at most ${nqnLengthMax} bytes`;
  // Names stand in lines of the log, which may go to a terminal; and two that look alike are one to
  // whoever reads them.
  if (!isPrintable(text)) return 'a name in UTF-8 without control or invisible characters';
  if (!text.startsWith('nqn.')) return "a name that begins with 'nqn.'";
  return null;
}

/**
 * How a host is shown that gave no name of its own, as SPDK's tools do. No NQN is that, so no list
 * can name it.
 */
export const unnamedHost = 'unnamed';

export function hostName(hostNqn: string): string {
  return hostNqn === '' ? unnamedHost : hostNqn;
}

/** As {@link nqnFault}, for names that we give: these are formed by the book. */
export function ownNqnFault(text: string): string | null {
  const fault = nqnFault(text);
  if (fault !== null) return fault;
  if (uuidName.test(text)) return null;
  if (text === discoveryNqn) return 'a name other than the discovery service’s';
  if (!datedName.test(text))
    return "'nqn.yyyy-mm.reverse.domain:name' or 'nqn.2014-08.org.nvmexpress:uuid:…'";
  return null;
}
