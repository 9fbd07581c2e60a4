/** `capsuled acknowledge`: an operator takes note of what a bdev has lost. */

import { printableLine } from '../printable.js';
import { type AdminWords, adminPost } from './admin-client.js';
import type { Terminal } from './terminal.js';

export async function acknowledge(
  name: string,
  words: AdminWords,
  terminal: Terminal,
): Promise<number> {
  await adminPost(words, `/v1/bdevs/${encodeURIComponent(name)}/acknowledge`);
  terminal.out(`${printableLine(name)}: acknowledged\n`);
  return 0;
}
