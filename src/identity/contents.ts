/**
 * What the target knows of the contents of its bdevs: whose they are, and what became of them. One
 * for each target; whoever opens a bdev or exports a namespace asks here first.
 */

import { basesOf, contentPath, kindOf } from '../bdev/kinds.js';
import { formatSize } from '../config/size.js';
import type { BdevDescription, BdevParameters, BdevValue } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import type { NamespaceConfiguration } from '../subsystem/configuration.js';
import type { Logger } from '../subsystem/logger.js';
import { contentChange, unreadable } from './content-change.js';
import type { ContentChange } from './content-change.js';
import type { ContentFiles } from './content-files.js';
import { ContentIdentities } from './content-identities.js';
import type { ContentIdentity } from './content-identity.js';
import { CreationGuard, fileSystemText } from './creation-guard.js';
import { ExportIdentities, identifiersOf } from './export-identities.js';
import type { ExportHistory, Identifiers } from './export-identities.js';
import { findMachine } from './machine.js';
import type { Machine } from './machine.js';
import { RecordJournal } from './record-journal.js';
import type { StateDirectory } from './state-directory.js';

/** A bdev as it was opened. */
export interface OpenContent {
  readonly parameters: BdevParameters;
  readonly description: BdevDescription;
}

interface Ready {
  readonly machine: Machine;
  readonly identities: ContentIdentities;
  readonly exports: ExportIdentities;
}

export class Contents {
  readonly #files: ContentFiles;
  readonly #logger: Logger;
  readonly #state: StateDirectory;
  readonly #journal: RecordJournal;
  readonly #machineFile: string | undefined;
  readonly #guard: CreationGuard;
  /** By the engine's name of the bdev. */
  readonly #identities = new Map<string, ContentIdentity>();
  /** By NQN and NSID: what was there before this content; of this process, or of earlier ones. */
  readonly #histories = new Map<string, ExportHistory>();
  /** By configured name: what became of contents that are served. */
  readonly #changes = new Map<string, ContentChange>();
  #ready: Promise<Ready> | null = null;
  #machine: Machine | null = null;

  constructor(files: ContentFiles, logger: Logger, state: StateDirectory, machineFile?: string) {
    this.#files = files;
    this.#logger = logger;
    this.#state = state;
    this.#journal = new RecordJournal(state);
    this.#machineFile = machineFile;
    this.#guard = new CreationGuard(files, this.#journal);
  }

  /** Before a bdev is opened. Throws if that would make an empty disk in place of a known one. */
  async beforeCreate(bdev: BdevParameters): Promise<void> {
    const path = contentPath(bdev);
    if (bdev['create'] === true && path !== undefined) await this.#guard.check(path);
  }

  /** Finds out whose an open bdev is. Throws if that cannot be known; then it is closed again. */
  async identify(
    { parameters, description }: OpenContent,
    bases: readonly BdevDescription[] = [],
  ): Promise<ContentIdentity> {
    const { identities } = await this.#prepared();
    const below = bases.map((base) => this.identityOf(base));
    const identity = await identities.find(parameters, description, below);
    this.#identities.set(description.name, identity);
    return identity;
  }

  /** Once it is open, as {@link identify}. */
  async opened(bdev: OpenContent, bases: readonly BdevDescription[] = []): Promise<void> {
    const identity = await this.identify(bdev, bases);
    const { parameters, description } = bdev;
    this.#logger.info(
      { bdev: parameters.name, identity: identity.source, detail: identity.detail },
      openedText(parameters, description),
    );
  }

  /** The engine has closed it. */
  closed(engineName: string): void {
    this.#identities.delete(engineName);
  }

  identityOf({ name }: BdevDescription): ContentIdentity {
    const identity = this.#identities.get(name);
    if (identity === undefined) throw new Error(`the identity of bdev ${name} is not known`);
    return identity;
  }

  /**
   * Whether {@link beforeExport} would refuse; records nothing. Throws `identity_conflict`.
   */
  async checkExport(configuration: NamespaceConfiguration, bdev: OpenContent): Promise<void> {
    const { exports } = await this.#prepared();
    exports.check(configuration, this.identityOf(bdev.description));
  }

  /**
   * Before the engine serves a bdev under a namespace: what hosts are told must be checked and
   * recorded. Throws `identity_conflict`, `state_unusable`.
   */
  async beforeExport(
    nqn: string,
    configuration: NamespaceConfiguration,
    { parameters, description }: OpenContent,
  ): Promise<void> {
    const { exports } = await this.#prepared();
    const before = this.identityOf(description);
    const identity = await exports.prepare(nqn, configuration, before);
    this.#identities.set(description.name, identity);
    this.#journal.note(`the identity of ${description.name}`, () => {
      this.#identities.set(description.name, before);
    });
    const { content } = description;
    const path = contentPath(parameters);
    if (content?.kind === 'file' && path !== undefined) await this.#guard.remember(path, content);
    const history = await exports.remember(nqn, configuration.nsid, identity);
    const key = namespaceKey(nqn, configuration.nsid);
    // What came in the life of this process is news to hosts for all of its life.
    const known = this.#histories.get(key);
    if (known === 'another' && history === 'once_another') return;
    this.#histories.set(key, history);
    this.#journal.note(`what was exported as ${nqn}, ${configuration.nsid}`, () => {
      if (known === undefined) this.#histories.delete(key);
      else this.#histories.set(key, known);
    });
  }

  /** What is recorded from now on is of a change that may fail. */
  beginChange(): void {
    this.#journal.begin();
  }

  /** It was made: what it recorded holds. */
  keepChange(): void {
    this.#journal.keep();
  }

  /** How much it has recorded. */
  get recordCount(): number {
    return this.#journal.length;
  }

  /** A part of it failed: what it recorded since then is as it was. As {@link takeBackChange}. */
  takeBackRecords(since: number): Promise<string[]> {
    return this.#journal.takeBackSince(since);
  }

  /**
   * It failed: what it recorded is as it was before. Answers what stays all the same, in words for
   * people. Before the bdevs that it opened are closed.
   */
  takeBackChange(): Promise<string[]> {
    return this.#journal.takeBack();
  }

  /** What hosts are told of a namespace. */
  identifiersOf(configuration: NamespaceConfiguration, bdev: BdevDescription): Identifiers {
    return identifiersOf(configuration, this.identityOf(bdev));
  }

  /** Whether some host may believe that another content is there. */
  historyOf(nqn: string, nsid: number): ExportHistory {
    return this.#histories.get(namespaceKey(nqn, nsid)) ?? 'same';
  }

  /** Finds out which machine this is. Throws `state_unusable`. */
  async ready(): Promise<void> {
    this.#machine = (await this.#prepared()).machine;
  }

  /** The serial number of a subsystem whose operator wrote none. After {@link ready}. */
  serialOf(nqn: string): string {
    if (this.#machine === null) throw new Error('it is not known which machine this is');
    return this.#machine.serial(nqn);
  }

  /**
   * What the engine is told of a bdev because of the machine that this is. Throws `state_unusable`.
   */
  async parametersOfMachine(bdev: BdevParameters): Promise<Record<string, BdevValue>> {
    const make = kindOf(bdev.kind)?.ofMachine;
    return make === undefined ? {} : make(bdev, (await this.#prepared()).machine);
  }

  /**
   * Looks what the names of open bdevs point at now. All at once: none waits for another's disk.
   * Resolves by the deadline of one look; what could not be seen is a change, too.
   */
  async look(bdevs: Iterable<OpenContent>): Promise<void> {
    const looked = [...bdevs];
    const changes = await Promise.all(looked.map((bdev) => this.#changeOf(bdev)));
    this.#changes.clear();
    for (const [index, { parameters }] of looked.entries()) {
      const change = changes[index];
      if (change) this.#changes.set(parameters.name, change);
    }
  }

  async #changeOf({ parameters, description }: OpenContent): Promise<ContentChange | null> {
    const { content } = description;
    const path = contentPath(parameters);
    if (content === null || path === undefined) return null;
    try {
      return contentChange(path, content, await this.#files.inspect(path));
    } catch (thrown) {
      return unreadable(TargetError.from(thrown));
    }
  }

  /** By configured name: what was seen when it was last looked that is not what is being served. */
  get changes(): ReadonlyMap<string, ContentChange> {
    return this.#changes;
  }

  /** A bdev is served anew, or no longer: what was seen is of the one before. */
  forgetChange(name: string): void {
    this.#changes.delete(name);
  }

  #prepared(): Promise<Ready> {
    this.#ready ??= this.#prepare().catch((thrown: unknown) => {
      this.#ready = null;
      throw thrown;
    });
    return this.#ready;
  }

  async #prepare(): Promise<Ready> {
    const machine = await findMachine(this.#state, this.#machineFile);
    const state = this.#journal;
    const parts = { engine: this.#files, logger: this.#logger, state, machine };
    const identities = new ContentIdentities(parts);
    const exports = new ExportIdentities(identities, state, this.#logger);
    return { machine, identities, exports };
  }
}

function namespaceKey(nqn: string, nsid: number): string {
  return `${nqn}\0${nsid}`;
}

function openedText(
  parameters: BdevParameters,
  { blockCount, blockSize, content, created }: BdevDescription,
): string {
  const { name, kind } = parameters;
  const path = contentPath(parameters);
  const size = formatSize(blockCount * BigInt(blockSize));
  const bases = basesOf(parameters);
  if (bases.length > 0) return `opened ${name} (${kind}) on ${bases.join(', ')}, ${size}`;
  if (content?.kind === 'block_device' && path === undefined) {
    const { model, serial } = content.names;
    return `opened ${name} (${kind}), ${size}, ${[model, serial].filter(Boolean).join(' ')}`;
  }
  if (content === null || path === undefined) return `made ${name} (${kind}), ${size}, empty`;
  if (content.kind !== 'file') return `opened ${path}, ${size}, a block device`;
  const where = `${size}, on ${fileSystemText(content.fileSystem)}`;
  return created ? `created ${path}, ${where}, empty` : `opened ${path}, ${where}`;
}
