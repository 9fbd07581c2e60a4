/**
 * What must hold of a configuration before any of it is applied. The YAML schema catches most of it
 * earlier, with line and column; this is the last door, for the API and for what a schema cannot
 * say.
 */

import { TargetError } from '../errors.js';
import { endpointKey } from '../transport/listener.js';
import type {
  NamespaceConfiguration,
  SubsystemConfiguration,
  TargetConfiguration,
} from './configuration.js';
import { nqnFault, ownNqnFault } from './nqn.js';
import type { TargetLimits } from './target-options.js';

const printableAscii = /^[\x20-\x7e]*$/;
const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** CNTLIDs FFF0h and up have meanings of their own (NVMe Base 2.1, 3.1.3). */
const cntlidLast = 0xffef;

function invalid(what: string, key: string, got: unknown): TargetError {
  return TargetError.expected('configuration_invalid', what, key, got);
}

/** Throws `configuration_invalid` naming the key. */
export function checkConfiguration(desired: TargetConfiguration, limits: TargetLimits): void {
  checkUnique(desired.bdevs, (bdev) => bdev.name, 'bdevs', 'name');
  checkUnique(desired.subsystems, (subsystem) => subsystem.nqn, 'subsystems', 'nqn');
  checkUnique(desired.discoveryListeners, endpointKey, 'discovery.listeners', null);
  if (desired.subsystems.length > limits.subsystemsMax) {
    throw invalid(
      `at most ${limits.subsystemsMax} entries`,
      'subsystems',
      desired.subsystems.length,
    );
  }
  const bdevs = new Set(desired.bdevs.map((bdev) => bdev.name));
  const usedBy = new Map<string, string>();
  desired.subsystems.forEach((subsystem, index) => {
    const key = `subsystems[${index}]`;
    checkSubsystem(subsystem, key, limits);
    subsystem.namespaces.forEach((namespace, position) => {
      const bdevKey = `${key}.namespaces[${position}].bdev`;
      if (!bdevs.has(namespace.bdev)) throw invalid('the name of a bdev', bdevKey, namespace.bdev);
      const user = usedBy.get(namespace.bdev);
      if (user !== undefined) {
        throw invalid(`a bdev that is not used by ${user} already`, bdevKey, namespace.bdev);
      }
      usedBy.set(namespace.bdev, `namespace ${namespace.nsid} of ${subsystem.nqn}`);
    });
  });
}

function checkSubsystem(
  subsystem: SubsystemConfiguration,
  key: string,
  limits: TargetLimits,
): void {
  const { nqn, serial, model, hosts, cntlidRange } = subsystem;
  const nqnProblem = ownNqnFault(nqn);
  if (nqnProblem !== null) throw invalid(nqnProblem, `${key}.nqn`, nqn);
  if (serial !== undefined) checkAscii(serial, 20, `${key}.serial`);
  checkAscii(model, 40, `${key}.model`);
  hosts.forEach((host, index) => {
    const problem = nqnFault(host);
    if (problem !== null) throw invalid(problem, `${key}.hosts[${index}]`, host);
  });
  const [first, last] = cntlidRange;
  if (!Number.isInteger(first) || !Number.isInteger(last) || first < 1 || last > cntlidLast) {
    throw invalid(`numbers from 1 to ${cntlidLast}`, `${key}.cntlid_range`, cntlidRange);
  }
  if (first > last) throw invalid('[first, last]', `${key}.cntlid_range`, cntlidRange);
  checkUnique(hosts, (host) => host, `${key}.hosts`, null);
  checkUnique(subsystem.listeners, endpointKey, `${key}.listeners`, null);
  checkUnique(subsystem.namespaces, (namespace) => namespace.nsid, `${key}.namespaces`, 'nsid');
  subsystem.namespaces.forEach((namespace, index) => {
    checkNamespace(namespace, `${key}.namespaces[${index}]`, limits);
  });
}

function checkNamespace(
  namespace: NamespaceConfiguration,
  key: string,
  limits: TargetLimits,
): void {
  const { nsid, uuid, nguid, eui64 } = namespace;
  if (!Number.isInteger(nsid) || nsid < 1 || nsid > limits.namespacesMax) {
    throw invalid(`a number from 1 to ${limits.namespacesMax}`, `${key}.nsid`, nsid);
  }
  if (uuid !== undefined && !uuidForm.test(uuid)) throw invalid('a UUID', `${key}.uuid`, uuid);
  if (nguid !== undefined && !/^[0-9a-f]{32}$/i.test(nguid)) {
    throw invalid('32 hexadecimal digits', `${key}.nguid`, nguid);
  }
  if (eui64 !== undefined && !/^[0-9a-f]{16}$/i.test(eui64)) {
    throw invalid('16 hexadecimal digits', `${key}.eui64`, eui64);
  }
}

function checkAscii(text: string, lengthMax: number, key: string): void {
  if (text.length === 0 || text.length > lengthMax || !printableAscii.test(text)) {
    throw invalid(`1 to ${lengthMax} printable ASCII characters`, key, text);
  }
}

function checkUnique<T>(
  items: readonly T[],
  identity: (item: T) => string | number,
  key: string,
  member: string | null,
): void {
  const seen = new Map<string | number, number>();
  items.forEach((item, index) => {
    const id = identity(item);
    const before = seen.get(id);
    if (before !== undefined) {
      const path = member === null ? `${key}[${index}]` : `${key}[${index}].${member}`;
      throw invalid(`something else than ${key}[${before}]`, path, id);
    }
    seen.set(id, index);
  });
}
