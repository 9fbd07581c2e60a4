/** `capsuled doctor`: what this machine has of what the daemon needs, and what mends the rest. */

import { networkInterfaces, release } from 'node:os';
import { allowedCores } from '../config/cores.js';
import { loadConfiguration, parseConfiguration } from '../config/load.js';
import type { DaemonConfiguration } from '../config/normalize.js';
import { MachineFiles } from '../device/machine-files.js';
import { examine, isFit } from '../doctor/examine.js';
import { type Finding, type Verdict, finding } from '../doctor/finding.js';
import type { OwnAddress, Patient } from '../doctor/patient.js';
import type { EngineOptions } from '../engine/engine-types.js';
import { type MachineNeeds, tryMachine } from '../engine/machine.js';
import { TargetError } from '../errors.js';
import { printableJson, printableLine } from '../printable.js';
import { table } from './table.js';
import { type Terminal, green, red, yellow } from './terminal.js';

export interface DoctorWords {
  readonly config: string;
  readonly json?: true;
  /** Whether `config` is what the user wrote, rather than the default. */
  readonly isConfigGiven: boolean;
}

/** The machine without what is configured; tests put another one in its place. */
export type Surroundings = Omit<Patient, 'configuration' | 'trial'> & {
  readonly tryMachine: (options: EngineOptions) => MachineNeeds;
};

function thisMachine(): Surroundings {
  return {
    files: new MachineFiles(),
    nodeVersion: process.version,
    kernelRelease: release(),
    cores: allowedCores(),
    addresses: ownAddresses(),
    tryMachine,
  };
}

function ownAddresses(): OwnAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([interfaceName, addresses = []]) =>
    addresses.map(({ address }) => ({ address, interfaceName })),
  );
}

export async function doctor(
  words: DoctorWords,
  terminal: Terminal,
  surroundings: Surroundings = thisMachine(),
): Promise<number> {
  const { configuration, found } = await readConfiguration(words, surroundings.cores);
  const trial = tried(() => surroundings.tryMachine(configuration.engine));
  const findings = [found, ...(await examine({ ...surroundings, configuration, trial }))];
  const ok = isFit(findings);
  if (words.json === true) {
    terminal.out(`${printableJson(JSON.stringify({ ok, findings }, null, 2))}\n`);
  } else {
    print(findings, terminal);
  }
  return ok ? 0 : 1;
}

/** The defaults, where there is no configuration that could be used. */
async function readConfiguration(
  { config, isConfigGiven }: DoctorWords,
  cores: readonly number[],
): Promise<{ configuration: DaemonConfiguration; found: Finding }> {
  const name = 'configuration';
  const loaded = await load(config);
  if (loaded.configuration !== undefined) {
    const { configuration } = loaded;
    return { configuration, found: finding(name, 'ok', `${config} is valid`) };
  }
  const verdict: Verdict = loaded.isAbsent && !isConfigGiven ? 'unused' : 'missing';
  const fix = loaded.isAbsent ? null : `capsuled check --config ${config}`;
  const reason = `${loaded.reason}; the rest is held against the defaults`;
  return { configuration: defaults(cores), found: finding(name, verdict, reason, fix) };
}

interface Loaded {
  readonly configuration?: DaemonConfiguration | undefined;
  readonly reason: string;
  readonly isAbsent: boolean;
}

async function load(file: string): Promise<Loaded> {
  try {
    const { configuration, issues } = await loadConfiguration(file);
    const count = issues.filter(({ severity }) => severity === 'error').length;
    const reason = `${file} has ${String(count)} error${count === 1 ? '' : 's'}`;
    return { configuration, reason, isAbsent: false };
  } catch (thrown) {
    if (!(thrown instanceof TargetError)) throw thrown;
    const { code } = (thrown.cause ?? {}) as NodeJS.ErrnoException;
    return { reason: thrown.message, isAbsent: code === 'ENOENT' };
  }
}

function defaults(cores: readonly number[]): DaemonConfiguration {
  const { configuration } = parseConfiguration('version: 1', 'config.yaml', cores);
  if (configuration === undefined) throw new TargetError('internal', 'the defaults are not valid');
  return configuration;
}

function tried(call: () => MachineNeeds): MachineNeeds | TargetError {
  try {
    return call();
  } catch (thrown) {
    if (thrown instanceof TargetError) return thrown;
    throw thrown;
  }
}

function print(findings: readonly Finding[], terminal: Terminal): void {
  const rows = findings.flatMap(({ name, verdict, reason, fix }) => [
    [verdict, name, reason].map(printableLine),
    ...(fix === null ? [] : [['', '', `→ ${printableLine(fix)}`]]),
  ]);
  for (const line of table(rows).split('\n').slice(0, -1)) {
    const [word = ''] = line.split(' ', 1);
    terminal.out(`${painted(word, terminal)}${line.slice(word.length)}\n`);
  }
}

function painted(word: string, terminal: Terminal): string {
  if (word === 'ok') return green(word, terminal);
  if (word === 'warning') return yellow(word, terminal);
  return word === 'missing' ? red(word, terminal) : word;
}
