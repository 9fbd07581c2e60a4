/** Contents over files that are not there, and a state that tests can look into. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { BdevDescription, BdevParameters } from '../../../src/engine/engine-types.js';
import { ContentFiles } from '../../../src/identity/content-files.js';
import { Contents } from '../../../src/identity/contents.js';
import type { OpenContent } from '../../../src/identity/contents.js';
import type { Identifiers } from '../../../src/identity/export-identities.js';
import { MemoryState } from '../../../src/identity/state-directory.js';
import type { NamespaceConfiguration } from '../../../src/subsystem/configuration.js';
import { limitsDefault, systemClock } from '../../../src/subsystem/target-options.js';
import { FakeEngine } from '../subsystem/fake-engine.js';

export const nqn = 'nqn.2026-11.com.example:disk0';
export const uuidA = 'aaaaaaaa-0000-4000-8000-000000000001';
export const uuidB = 'bbbbbbbb-0000-4000-8000-000000000002';

interface Teardown {
  teardown(callback: () => void): void;
}

/** A file with a machine's identifier. */
export function machineFile(t: Teardown, id: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'capsuled-machine-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
  });
  const file = join(folder, 'machine-id');
  writeFileSync(file, `${id}\n`);
  return file;
}

export class ContentBed {
  readonly engine: FakeEngine;
  readonly state: MemoryState;
  readonly lines: { readonly level: string; readonly message: string }[] = [];
  readonly contents: Contents;

  constructor(
    readonly machine: string,
    parts: { engine?: Pick<FakeEngine, 'disk'>; state?: MemoryState } = {},
  ) {
    this.engine = new FakeEngine();
    // Of an earlier daemon's engine only the files are left.
    if (parts.engine !== undefined) Object.assign(this.engine, { disk: parts.engine.disk });
    this.state = parts.state ?? new MemoryState();
    const log = (level: string) => (_fields: object, message: string) => {
      this.lines.push({ level, message });
    };
    const logger = {
      info: log('info'),
      debug: log('debug'),
      warn: log('warn'),
      error: log('error'),
    };
    const files = new ContentFiles(this.engine, systemClock, limitsDefault.openDeadlineMs);
    this.contents = new Contents(files, logger, this.state, machine);
  }

  static on(t: Teardown, id = '11111111111111111111111111111111'): ContentBed {
    return new ContentBed(machineFile(t, id));
  }

  /** The same machine after a restart of the daemon. */
  restarted(): ContentBed {
    return new ContentBed(this.machine, { engine: this.engine, state: this.state });
  }

  get warnings(): string[] {
    return this.lines.filter(({ level }) => level === 'warn').map(({ message }) => message);
  }

  file(path: string, name = 'file0', fields: Partial<BdevParameters> = {}): Promise<OpenContent> {
    return this.open({ name, kind: 'uring', path, ...fields });
  }

  ram(name = 'ram0'): Promise<OpenContent> {
    return this.open({ name, kind: 'malloc', size: 1n << 20n });
  }

  split(base: OpenContent, name: string, offset = 0n): Promise<OpenContent> {
    const parameters = { name, kind: 'split', base: base.parameters.name, offset };
    return this.open(parameters, [base.description]);
  }

  async open(
    parameters: BdevParameters,
    bases: readonly BdevDescription[] = [],
  ): Promise<OpenContent> {
    await this.contents.beforeCreate(parameters);
    if (this.engine.bdevNames.has(parameters.name)) await this.engine.bdevDelete(parameters.name);
    const bdev = { parameters, description: await this.engine.bdevCreate(parameters) };
    await this.contents.opened(bdev, bases);
    return bdev;
  }

  /** What hosts are told once it is exported. */
  async export(
    bdev: OpenContent,
    fields: Partial<NamespaceConfiguration> = {},
  ): Promise<Identifiers> {
    const configuration = { nsid: 1, bdev: bdev.parameters.name, readOnly: false, ...fields };
    await this.contents.beforeExport(nqn, configuration, bdev);
    return this.contents.identifiersOf(configuration, bdev.description);
  }
}
