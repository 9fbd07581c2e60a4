/** Who may change something: whoever has the token, and nobody where there is none. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { onRequestHookHandler } from 'fastify';
import { TargetError } from '../errors.js';
import type { AdminSources } from './sources.js';

/** A route that changes something. */
export type ChangePlugin = FastifyPluginAsyncTypebox<{
  readonly sources: AdminSources;
  readonly hasToken: boolean;
}>;

/**
 * For routes that change something. With a token, `requireToken` has looked at it before; without
 * one, everyone who reaches the address may look, and nobody may change. A page of a browser never
 * has a reason to.
 */
export function writeGuard(hasToken: boolean): onRequestHookHandler {
  const noToken = 'expected a token_file in the daemon’s configuration: changes need its token';
  const browser = 'expected a program, got a page of a browser (Origin)';
  return ({ headers }, _reply, done) => {
    if (!hasToken) done(new TargetError('forbidden', noToken, { field: 'admin.token_file' }));
    else if (headers.origin !== undefined) done(new TargetError('forbidden', browser));
    else done();
  };
}
