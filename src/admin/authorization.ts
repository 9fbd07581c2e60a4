/** The bearer token that requests must carry, when there is one. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { TOKEN_EXPECTED, parseToken } from '../config/token.js';
import { TargetError } from '../errors.js';

/** Probes of a supervisor need no secret: they say nothing but up or down. */
const OPEN_PATHS = new Set(['/healthz', '/readyz']);

export async function readToken(file: string): Promise<string> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    const options = { field: 'admin.token_file', cause: thrown };
    throw new TargetError('configuration_invalid', `the token cannot be read: ${reason}`, options);
  }
  const token = parseToken(content);
  if (token === undefined) {
    throw new TargetError('configuration_invalid', `expected ${TOKEN_EXPECTED} in ${file}`, {
      field: 'admin.token_file',
    });
  }
  return token;
}

export function requireToken(app: FastifyInstance, token: string): void {
  const wanted = digest(token);
  app.addHook('onRequest', async (request, reply) => {
    if (OPEN_PATHS.has(request.routeOptions.url ?? '')) return;
    const [, given = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    // Digests have one length: the comparison takes the same time whatever was given.
    if (timingSafeEqual(digest(given), wanted)) return;
    reply.header('www-authenticate', 'Bearer realm="capsuled"');
    throw new TargetError('unauthorized', 'expected the bearer token of admin.token_file');
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
