/**
 * Errors as application/problem+json (RFC 9457), with the code of the error registry: one handler
 * for all routes.
 */

import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Static, Type } from '../json-schema.js';
import { expectation } from '../config/expectation.js';
import type { SchemaNode } from '../config/schema-node.js';
import { TargetError } from '../errors.js';
import { printable, printableJson, printableLine } from '../printable.js';

const problemSchema = Type.Object(
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
const problemResponse = {
  description: 'A problem',
  content: { 'application/problem+json': { schema: problemSchema } },
} as const;
export const problemResponses = { '4xx': problemResponse, '5xx': problemResponse } as const;

export const PROBLEM_TYPE = 'application/problem+json';

/** Before the routes: it takes note of their methods. */
export function registerProblems(app: FastifyInstance): void {
  const routes = new RouteMethods(app);
  app.setErrorHandler((error: FastifyError | TargetError, request, reply) => {
    const known = targetError(error);
    if (known.code === 'internal') {
      const url = printable(request.url);
      request.log.error({ err: error, method: request.method, url }, 'request failed');
    }
    return sendProblem(reply, known, statusOf(error, known));
  });
  app.setNotFoundHandler((request: FastifyRequest, reply) => {
    const { method, url } = request;
    const allowed = routes.of(url);
    if (allowed.length === 0) {
      return sendProblem(
        reply,
        new TargetError('not_found', `there is no ${method} ${printable(url)}`),
      );
    }
    const list = allowed.join(', ');
    reply.header('allow', list);
    const message = `expected one of ${list} for ${printable(url)}, got ${method}`;
    return sendProblem(reply, new TargetError('method_not_allowed', message));
  });
}

/** The methods that each path has. */
class RouteMethods {
  readonly #methods = new Map<string, Set<string>>();

  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ url, method }) => {
      const methods = this.#methods.get(url) ?? new Set();
      for (const one of [method].flat()) methods.add(one);
      this.#methods.set(url, methods);
    });
  }

  of(url: string): string[] {
    const [path = ''] = url.split('?');
    for (const [route, methods] of this.#methods) {
      const pattern = route.replace(/[.]/g, '\\.').replace(/:[a-z_]+/g, '[^/]+');
      if (new RegExp(`^${pattern}$`).test(path)) return [...methods].sort();
    }
    return [];
  }
}

/** The body of an error's answer. */
export function problemOf(error: TargetError, status: number): Static<typeof problemSchema> {
  const { code, title, field } = error;
  // A defect's message may hold anything; the log has it.
  const detail =
    code === 'internal'
      ? 'an unexpected error; the log of the daemon says more'
      : printableLine(error.message);
  return {
    type: `urn:capsuled:error:${code}`,
    title,
    status,
    code,
    detail,
    ...(field === undefined ? {} : { field: printableLine(field) }),
  };
}

export function sendProblem(
  reply: FastifyReply,
  error: TargetError,
  status = error.httpStatus,
): FastifyReply {
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .serializer((payload: unknown) => printableJson(JSON.stringify(payload)))
    .send(problemOf(error, status));
}

function targetError(error: FastifyError | TargetError): TargetError {
  if (error instanceof TargetError) return error;
  const [invalid] = (error.validation ?? []) as Invalid[];
  if (invalid !== undefined) return argumentError(invalid);
  const { statusCode = 500 } = error;
  if (statusCode >= 400 && statusCode < 500)
    return new TargetError('argument_invalid', error.message);
  return TargetError.from(error);
}

/** What the validator says of a value; the last two because it is told to be verbose. */
type Invalid = NonNullable<FastifyError['validation']>[number] & {
  readonly parentSchema: SchemaNode;
  readonly data: unknown;
};

function argumentError({ keyword, instancePath, params, parentSchema, data }: Invalid) {
  if (keyword === 'additionalProperties') {
    const field = String(params['additionalProperty']);
    const known = Object.keys(parentSchema.properties ?? {}).join(', ');
    const message = `expected one of ${known}, got the unknown parameter \`${field}\``;
    return new TargetError('argument_invalid', message, { field });
  }
  // Only a body can be wrong as a whole.
  const path = instancePath.replace(/^\//, '').replace(/\/(\d+)/g, '[$1]');
  const field = path === '' ? 'body' : path;
  return TargetError.expected('argument_invalid', expectation(parentSchema), field, data);
}

/** Fastify's own refusals (too large, wrong media type) keep their status. */
function statusOf(error: FastifyError | TargetError, known: TargetError): number {
  if (error instanceof TargetError || known.code === 'internal') return known.httpStatus;
  return error.statusCode ?? known.httpStatus;
}
