/** The bearer token that requests must carry, when there is one. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { TOKEN_EXPECTED, parseToken } from '../config/token.js';
import { readTokenFile } from '../config/token-file.js';
import { TargetError } from '../errors.js';
import { fileReason } from '../system-error.js';
import { connectionOf } from './http-peers.js';

/** Probes of a supervisor need no secret: without it they say nothing but up or down. */
const OPEN_PATHS = new Set(['/healthz', '/readyz']);

/** The token in force, and the file that it came from. */
export class TokenFile {
  readonly #file: string;
  #digest: Buffer;

  private constructor(file: string, token: string) {
    this.#file = file;
    this.#digest = digest(token);
  }

  static async open(file: string): Promise<TokenFile> {
    return new TokenFile(file, await readToken(file));
  }

  /** Digests have one length: the comparison takes the same time whatever was given. */
  matches(given: string): boolean {
    return timingSafeEqual(digest(given), this.#digest);
  }

  /**
   * Reads the file again, and answers what puts the token into force that was read: the caller may
   * have more to do that can fail.
   */
  async reread(): Promise<() => void> {
    const token = await readToken(this.#file);
    return () => {
      this.#digest = digest(token);
    };
  }
}

export async function readToken(file: string): Promise<string> {
  const field = 'admin.token_file';
  let content: string;
  try {
    content = await readTokenFile(file);
  } catch (thrown) {
    const message = `the token cannot be read from ${file}: ${fileReason(thrown)}`;
    throw new TargetError('configuration_invalid', message, { field, cause: thrown });
  }
  const token = parseToken(content);
  if (token === undefined) {
    const message = `expected ${TOKEN_EXPECTED} in ${file}`;
    throw new TargetError('configuration_invalid', message, { field });
  }
  return token;
}

/** Whether the request has the token; where there is none, everybody may look. */
export function mayLook(request: FastifyRequest, token: TokenFile | null): boolean {
  if (token === null) return true;
  const [, given = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  return token.matches(given);
}

export function requireToken(app: FastifyInstance, token: TokenFile): void {
  app.addHook('onRequest', async (request, reply) => {
    if (OPEN_PATHS.has(request.routeOptions.url ?? '')) return;
    if (mayLook(request, token)) {
      connectionOf(request.raw)?.trust();
      return;
    }
    reply.header('www-authenticate', 'Bearer realm="capsuled"').header('connection', 'close');
    throw new TargetError('unauthorized', 'expected the bearer token of admin.token_file');
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
