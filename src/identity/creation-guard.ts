/**
 * Refuses to create a file where one was exported before: it is more likely that its file system is
 * not mounted, or that the file was lost, than that an empty disk is wanted in its place.
 */

import { createHash } from 'node:crypto';
import { dirname } from 'node:path';

import type { ContentFacts, Engine, FileSystemFacts } from '../engine/engine-types.js';
import { TargetError } from '../errors.js';
import type { StateDirectory } from './state-directory.js';

/** A path that was exported, and where its file was. */
interface PathRecord {
  readonly version: 1;
  readonly path: string;
  readonly fileSystem: FileSystemFacts;
}

export class CreationGuard {
  readonly #engine: Pick<Engine, 'inspect'>;
  readonly #state: StateDirectory;

  constructor(engine: Pick<Engine, 'inspect'>, state: StateDirectory) {
    this.#engine = engine;
    this.#state = state;
  }

  /** Before a bdev with `create` is opened. Throws `bdev_failed` if it would make another disk. */
  async check(path: string): Promise<void> {
    const file = await this.#engine.inspect(path);
    // An empty file is what a crash leaves between creating and sizing: it counts as missing.
    if (file !== null && (file.kind !== 'file' || file.size > 0n)) return;
    const name = pathFile(path);
    const known = parsePath(await this.#state.read(name), this.#state.pathOf(name));
    if (known === null) return;
    const folder = await this.#engine.inspect(dirname(path));
    const remedy = `rm ${this.#state.pathOf(name)}`;
    const lost = `if the disk is lost and an empty one shall take its place, ${remedy}`;
    const { fileSystem: before } = known;
    const options = { field: 'path' };
    if (folder !== null && folder.fileSystem.id !== before.id) {
      const now = folder.fileSystem;
      throw new TargetError(
        'bdev_failed',
        `${path} is not created: it was last on ${fileSystemText(before)}, mounted on ` +
          `${before.mountPoint}, but its folder is now on ${fileSystemText(now)}, mounted on ` +
          `${now.mountPoint}; mount ${before.mountPoint}, or, ${lost}`,
        options,
      );
    }
    throw new TargetError(
      'bdev_failed',
      `${path} is not created: it was exported before and is missing; put it back, or, ${lost}`,
      options,
    );
  }

  /** Once a file is exported. */
  async remember(path: string, { fileSystem }: ContentFacts): Promise<void> {
    const name = pathFile(path);
    const text = `${JSON.stringify({ version: 1, path, fileSystem })}\n`;
    const before = await this.#state.read(name);
    if (before === text) return;
    parsePath(before, this.#state.pathOf(name));
    await this.#state.write(name, text);
  }
}

/** `/dev/vda (ext4)`. */
export function fileSystemText({ source, type }: FileSystemFacts): string {
  return source === '' ? 'an unknown file system' : `${source} (${type})`;
}

function pathFile(path: string): string {
  return `paths/${createHash('sha256').update(path).digest('hex').slice(0, 32)}.json`;
}

function parsePath(text: string | null, where: string): PathRecord | null {
  if (text === null) return null;
  try {
    const record = JSON.parse(text) as Partial<PathRecord> | null;
    const { version, path, fileSystem } = record ?? {};
    if (version === 1 && typeof path === 'string' && typeof fileSystem?.id === 'string') {
      return record as PathRecord;
    }
  } catch {
    // Said below.
  }
  throw new TargetError(
    'state_unusable',
    `expected where a file was in ${where}, got something else; look whether the file is there, then remove it`,
    { field: 'state_directory' },
  );
}
