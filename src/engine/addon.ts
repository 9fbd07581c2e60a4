/** The native addon: where it is, why it does not load, and what its errors become. */

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { getSystemErrorMap } from 'node:util';

import { TargetError } from '../errors.js';
import type { ErrorCode } from '../errors.js';

/** What the addon throws: a system error, sometimes with the parameter at fault. */
export interface NativeError extends Error {
  readonly code?: string;
  /** Positive. */
  readonly errno?: number;
  readonly field?: string;
}

const codesOfErrno: Readonly<Record<string, ErrorCode>> = {
  EADDRINUSE: 'address_unavailable',
  EADDRNOTAVAIL: 'address_unavailable',
  EACCES: 'forbidden',
  EPERM: 'forbidden',
  EBUSY: 'in_use',
  EEXIST: 'already_exists',
  ENOENT: 'not_found',
  ENOMEM: 'out_of_memory',
  ENOSYS: 'platform_unsupported',
};

export function targetError(thrown: unknown, fallback: ErrorCode, field?: string): TargetError {
  const error = thrown as NativeError;
  const code = codesOfErrno[error.code ?? ''] ?? fallback;
  const at = error.field ?? field;
  return new TargetError(code, error.message, {
    cause: thrown,
    ...(at === undefined ? {} : { field: at }),
  });
}

/** What failed, and how: `cannot stat the file: i/o error (EIO)`. */
export function errnoText({ message, errno = 0, code = `error ${errno}` }: NativeError): string {
  const [, words] = getSystemErrorMap().get(-errno) ?? [];
  return `${message}: ${words === undefined ? code : `${words} (${code})`}`;
}

/** The directory with package.json, from src/ and from dist/src/ alike. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'binding.gyp'))) {
    const parent = dirname(directory);
    if (parent === directory) {
      throw new TargetError('engine_unavailable', 'the package directory of capsuled is not found');
    }
    directory = parent;
  }
  return directory;
}

/** What the addon exports, by name. */
export function loadAddon(): Readonly<Record<string, unknown>> {
  const path = join(packageRoot(), 'build', 'Release', 'capsuled.node');
  if (!existsSync(path)) {
    throw new TargetError(
      'engine_unavailable',
      `the native engine is not built: ${path} is missing; run \`npm run setup\``,
    );
  }
  try {
    return createRequire(import.meta.url)(path) as Record<string, unknown>;
  } catch (thrown) {
    throw new TargetError(
      'engine_unavailable',
      `the native engine does not load (${(thrown as Error).message}); run \`npm run setup\``,
      { cause: thrown },
    );
  }
}
