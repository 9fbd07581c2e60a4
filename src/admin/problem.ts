/**
 * Errors as application/problem+json (RFC 9457), with the code of the error registry: one handler
 * for all routes.
 */

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { TargetError } from '../errors.js';

export const problemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'Stable; docs/reference/errors.md lists all.' }),
    detail: Type.String(),
    field: Type.Optional(Type.String()),
  },
  { description: 'What went wrong.' },
);

/** The error responses of every route, for the OpenAPI document. */
export const problemResponses = { '4xx': problemSchema, '5xx': problemSchema } as const;

export function registerProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError | TargetError, request, reply) => {
    const known = targetError(error);
    if (known.code === 'internal') {
      request.log.error({ err: error, method: request.method, url: request.url }, 'request failed');
    }
    return sendProblem(reply, known, statusOf(error, known));
  });
  app.setNotFoundHandler((request: FastifyRequest, reply) =>
    sendProblem(
      reply,
      new TargetError('not_found', `there is no ${request.method} ${request.url}`),
    ),
  );
}

export function sendProblem(
  reply: FastifyReply,
  error: TargetError,
  status = error.httpStatus,
): FastifyReply {
  const { code, title, field } = error;
  // A defect's message may hold anything; the log has it.
  const detail =
    code === 'internal' ? 'an unexpected error; the log of the daemon says more' : error.message;
  const problem = {
    type: `urn:capsuled:error:${code}`,
    title,
    status,
    code,
    detail,
    ...(field === undefined ? {} : { field }),
  };
  return reply
    .code(status)
    .type('application/problem+json')
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(problem);
}

function targetError(error: FastifyError | TargetError): TargetError {
  if (error instanceof TargetError) return error;
  const [invalid] = error.validation ?? [];
  if (invalid !== undefined) {
    const field = invalid.instancePath.replace(/^\//, '');
    return new TargetError('argument_invalid', error.message, field === '' ? {} : { field });
  }
  const { statusCode = 500 } = error;
  if (statusCode >= 400 && statusCode < 500)
    return new TargetError('argument_invalid', error.message);
  return TargetError.from(error);
}

/** Fastify's own refusals (too large, wrong media type) keep their status. */
function statusOf(error: FastifyError | TargetError, known: TargetError): number {
  if (error instanceof TargetError || known.code === 'internal') return known.httpStatus;
  return error.statusCode ?? known.httpStatus;
}
