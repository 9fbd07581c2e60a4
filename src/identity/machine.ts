/**
 * Which machine this is. Two machines with the same configuration must not look like one: serial
 * numbers, and the identities of devices that many machines have alike, are made from this.
 */

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { TargetError } from '../errors.js';
import { fileReason } from '../system-error.js';
import type { StateDirectory } from './state-directory.js';

const machineIdFile = '/etc/machine-id';
const stateFile = 'machine-id';
const idForm = /^[0-9a-f]{32}$/;

/** The identifier itself never leaves the process; what is shown is hashed with something else. */
export class Machine {
  readonly #id: string;
  /** Whether the machine has its identifier by itself, so that it lasts without our state. */
  readonly lasts: boolean;

  constructor(id: string, lasts: boolean) {
    this.#id = id;
    this.lasts = lasts;
  }

  /** 32 bytes. */
  digest(purpose: string, name: string): Buffer {
    const hash = createHash('sha256').update(`capsuled ${purpose}`).update('\0');
    return hash.update(this.#id).update('\0').update(name).digest();
  }

  /** A name of the machine that tells nothing about it. */
  get tag(): string {
    return this.digest('machine', '').toString('hex').slice(0, 16);
  }

  /** A serial number: 20 characters. */
  serial(nqn: string): string {
    return this.digest('serial', nqn).toString('hex').slice(0, 20).toUpperCase();
  }
}

/** Empty if there is none. */
function machineId(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (thrown) {
    const { code = '' } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return '';
    // It may be there: another one in its place would make other disks of all that it names.
    throw new TargetError(
      'state_unusable',
      `expected the identifier of this machine in ${file}, but it cannot be read (${code}): ` +
        fileReason(thrown),
      { cause: thrown },
    );
  }
}

/** A machine without an identifier is given one, kept in the state directory. */
export async function findMachine(
  state: StateDirectory,
  file: string = machineIdFile,
): Promise<Machine> {
  const own = machineId(file);
  if (idForm.test(own) && /[^0]/.test(own)) return new Machine(own, true);
  const kept = await state.read(stateFile);
  if (kept !== null) {
    if (idForm.test(kept.trim())) return new Machine(kept.trim(), false);
    throw new TargetError(
      'state_unusable',
      `expected 32 hexadecimal digits in ${state.pathOf(stateFile)}; ` +
        'remove it to let this machine be another one for its hosts',
      { field: 'state_directory' },
    );
  }
  const made = randomBytes(16).toString('hex');
  await state.write(stateFile, `${made}\n`);
  return new Machine(made, false);
}
