/** The file that holds the bearer token of the side-car. */

import { smallFiles } from '../small-file.js';
import { fileReason } from '../system-error.js';
import type { Reader } from './reader.js';
import type { Configuration, Draft } from './schema.js';
import { TOKEN_EXPECTED, parseToken } from './token.js';

const TOKEN_FILE_BYTES_MAX = 64 * 1024;

/** Rejects with a reason for people: see `fileReason`. */
export async function readTokenFile(path: string): Promise<string> {
  return (await smallFiles.read(path, TOKEN_FILE_BYTES_MAX)).toString('utf8');
}

export async function checkTokenFile(
  { admin }: Draft<Configuration>,
  reader: Reader,
  resolvePath: (path: string) => string,
): Promise<void> {
  const tokenFile = admin?.token_file;
  if (typeof tokenFile !== 'string') return;
  const path = resolvePath(tokenFile);
  try {
    if (parseToken(await readTokenFile(path)) === undefined) {
      reader.error('admin.token_file', `expected ${TOKEN_EXPECTED} in ${path}`);
    }
  } catch (thrown) {
    reader.error(
      'admin.token_file',
      `expected a readable file, got ${path}: ${fileReason(thrown)}`,
    );
  }
}
