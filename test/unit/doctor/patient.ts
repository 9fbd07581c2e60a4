/** A machine on which everything is well, for tests to make ill. */

import { parseConfiguration } from '../../../src/config/load.js';
import type { Patient } from '../../../src/doctor/patient.js';
import { MadeMachine } from '../device/made-machine.js';

export interface MadePatient extends Patient {
  readonly files: MadeMachine;
}

export const CORES = [0, 1, 2, 3];

/** `yaml`: behind the version. */
export function patient(
  folder: string,
  changes: Partial<Omit<Patient, 'files' | 'configuration'>> = {},
  yaml = '',
): MadePatient {
  const files = new MadeMachine(folder);
  files.put('/proc/self/status', 'Name:\tnode\nCapEff:\t0000000000000000\n');
  files.put(
    '/proc/self/limits',
    [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      'Max open files            1024                 524288               files     ',
      'Max locked memory         8388608              unlimited            bytes     ',
      'Max processes             unlimited            unlimited            processes ',
      '',
    ].join('\n'),
  );
  files.put('/proc/meminfo', 'MemTotal:       16777216 kB\nHugepagesize:       2048 kB\n');
  files.put('/proc/net/tcp', 'sl local_address\n');
  files.put('/proc/net/tcp6', 'sl local_address\n');
  const text = `version: 1\n${yaml}`;
  const { configuration, issues } = parseConfiguration(text, '/c.yaml', CORES);
  if (configuration === undefined) throw new Error(JSON.stringify(issues));
  return {
    files,
    configuration,
    nodeVersion: 'v22.1.0',
    kernelRelease: '6.12.9-amd64',
    cores: CORES,
    addresses: [
      { address: '192.0.2.7', interfaceName: 'eth0' },
      { address: 'fe80::7', interfaceName: 'eth0' },
      { address: '::1', interfaceName: 'lo' },
    ],
    trial: {
      ...{ openFiles: 5120, openFilesLeast: 544 },
      ...{ pinnedBytes: 1 << 30, driveBytes: 1 << 20, queueEntryBytes: 4096 },
    },
    ...changes,
  };
}
