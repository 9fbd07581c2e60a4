/** Files as an engine without a machine sees them: what is where, and what is recorded with it. */

import type { ContentFacts } from '../../../src/engine/engine-types.js';

const nothing: ContentFacts = {
  kind: 'file',
  device: 0x801n,
  inode: 0n,
  size: 1n << 20n,
  links: 1n,
  bornNs: 0n,
  fileSystem: { id: 'ef53:0011', type: 'ext4', source: '/dev/vda', mountPoint: '/srv' },
  identity: '',
  identityError: '',
  namesError: '',
  names: {},
  diskNames: {},
  backing: null,
};

export function contentFacts(fields: Partial<ContentFacts> = {}): ContentFacts {
  return { ...nothing, ...fields };
}

export class FakeFiles {
  readonly #byPath = new Map<string, ContentFacts>();
  readonly #removed = new Set<string>();
  #inodeNext = 12n;
  /** Recording fails so: `ENOTSUP`. */
  refusal = '';

  get(path: string): ContentFacts | null {
    return this.#byPath.get(path) ?? null;
  }

  /** A new file, or what `fields` make of it, at `path`. */
  put(path: string, fields: Partial<ContentFacts> = {}): ContentFacts {
    const facts = contentFacts({ inode: this.#inodeNext, bornNs: this.#inodeNext, ...fields });
    this.#inodeNext += 1n;
    this.#byPath.set(path, facts);
    this.#removed.delete(path);
    return facts;
  }

  folder(path: string, fields: Partial<ContentFacts> = {}): void {
    this.put(path, { kind: 'directory', ...fields });
  }

  remove(path: string): void {
    this.#byPath.delete(path);
    this.#removed.add(path);
  }

  /** A test took the file away, and nothing is in its place. */
  wasRemoved(path: string): boolean {
    return this.#removed.has(path);
  }

  move(from: string, to: string): void {
    const facts = this.#byPath.get(from);
    if (facts === undefined) throw new Error(`there is no ${from}`);
    this.#byPath.delete(from);
    this.#byPath.set(to, facts);
  }

  /** As `cp -a` does: the same bytes and attributes, another inode. */
  copy(from: string, to: string): void {
    const facts = this.#byPath.get(from);
    if (facts === undefined) throw new Error(`there is no ${from}`);
    this.put(to, { ...facts, inode: this.#inodeNext, bornNs: this.#inodeNext });
  }

  record(path: string, { inode }: Pick<ContentFacts, 'inode'>, identity: string): void {
    const facts = this.#byPath.get(path);
    const code = facts?.inode === inode ? this.refusal : 'ESTALE';
    if (code !== '') throw Object.assign(new Error(code), { code });
    if (facts !== undefined) this.#byPath.set(path, { ...facts, identity });
  }
}
