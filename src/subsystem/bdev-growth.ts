/**
 * Disks that grow. Once a second each open bdev is asked whether its disk is larger than it. Then
 * it grows, and with it what stands on it; and when commands reach the new blocks on every reactor,
 * hosts are told. Not so where the configuration says the size, or where the disk ends within a
 * block: then that is said, once for each size that lasts.
 */

import { formatSize } from '../config/size.js';
import type { BdevDescription } from '../engine/engine-types.js';
import type { OpenBdev } from './open-bdev.js';
import type { TargetState } from './target-state.js';

export class BdevGrowth {
  readonly #state: TargetState;
  /** Of bdevs that do not grow with their disk: its size at the last look. */
  readonly #seen = new WeakMap<BdevDescription, { readonly bytes: bigint; looks: number }>();
  #growing = 0;

  constructor(state: TargetState) {
    this.#state = state;
  }

  look(): void {
    for (const bdev of this.#state.bdevs.values()) this.#lookAt(bdev);
  }

  #lookAt({ parameters, description }: OpenBdev): void {
    const { engine, logger } = this.#state;
    const size = engine.bdevSize(description.name);
    const blockSize = BigInt(description.blockSize);
    if (size === null || size.foundBytes <= size.blockCount * blockSize) return;
    const isWhole = size.foundBytes % blockSize === 0n;
    if (isWhole && parameters['size'] === undefined) {
      void this.#grow(description.name);
      return;
    }
    if (!this.#isNews(description, size.foundBytes)) return;
    const found = formatSize(size.foundBytes);
    const served = sizeText(description, size.blockCount);
    const why = isWhole
      ? 'leave its `size` out of the configuration to have it grow'
      : `expected a multiple of its block size (${description.blockSize} bytes)`;
    const text = `its disk has grown to ${found}; ${served} of it are served: ${why}`;
    logger.warn({ bdev: parameters.name }, `${text}, or it cannot be opened again`);
  }

  /** Whether the size was the same at the last look, and that is known for the first time. */
  #isNews(description: BdevDescription, bytes: bigint): boolean {
    const seen = this.#seen.get(description);
    const looks = seen?.bytes === bytes ? seen.looks + 1 : 1;
    this.#seen.set(description, { bytes, looks });
    return looks === 2;
  }

  async #grow(engineName: string): Promise<void> {
    this.#growing += 1;
    try {
      await this.#state.engine.bdevGrow(engineName);
    } catch {
      // It was closed meanwhile.
    }
    this.#growing -= 1;
    // A host that is told may use the new blocks at once, wherever its queues are.
    if (this.#growing === 0) for (const bdev of this.#state.bdevs.values()) this.#show(bdev);
  }

  #show({ parameters, description }: OpenBdev): void {
    const { engine, logger, subsystems } = this.#state;
    const blockCount = engine.bdevSize(description.name)?.blockCount ?? 0n;
    if (blockCount <= description.blockCount) return;
    const before = sizeText(description, description.blockCount);
    description.blockCount = blockCount;
    const text = `grew from ${before} to ${sizeText(description, blockCount)}, as its disk did`;
    logger.info({ bdev: parameters.name }, text);
    for (const subsystem of subsystems.values()) {
      for (const [nsid, { bdev }] of subsystem.namespaces) {
        if (bdev.name === description.name) this.#state.namespaceChanged(subsystem, nsid);
      }
    }
  }
}

function sizeText({ blockSize }: BdevDescription, blocks: bigint): string {
  return formatSize(blocks * BigInt(blockSize));
}
