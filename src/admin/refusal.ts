/**
 * The answers that Node and Fastify have of their own, before a route or an error handler is asked:
 * what is no HTTP, a header that is too long, a path that is no path. They are problems as all
 * others.
 */

import { STATUS_CODES, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { TargetError } from '../errors.js';
import { printable } from '../printable.js';
import { HttpConnection } from './http-connection.js';
import { PROBLEM_TYPE, problemOf, sendProblem } from './problem.js';

interface ClientError extends Error {
  readonly code?: string;
  /** Of the parser. */
  readonly reason?: string;
}

/** For Fastify's option `clientErrorHandler`. */
export function refuseConnection(error: ClientError, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
  else refuse(socket, ...refusalOf(error));
}

/** For Fastify's option `frameworkErrors`. */
export function refuseRequest(
  error: FastifyError,
  { url }: FastifyRequest,
  reply: FastifyReply,
): void {
  const message =
    error.code === 'FST_ERR_BAD_URL'
      ? `expected a path in UTF-8, percent-encoded, got ${printable(url)}`
      : error.message;
  sendProblem(reply, new TargetError('argument_invalid', message), error.statusCode ?? 400);
}

/** What Node would answer with a form of its own, or not at all. */
export function refuseOddities(server: Server): void {
  server.on('connect', (_request, socket) => {
    refuse(socket, 'expected a request for a path, got CONNECT', 400);
  });
  server.on('checkExpectation', ({ headers }, response) => {
    const message = `expected 100-continue for \`expect\`, got ${printable(headers.expect ?? '')}`;
    const error = new TargetError('argument_invalid', message, { field: 'expect' });
    const body = JSON.stringify(problemOf(error, 417));
    const length = Buffer.byteLength(body);
    response.writeHead(417, { 'content-type': PROBLEM_TYPE, 'content-length': length }).end(body);
  });
}

function refusalOf({ code, reason, message }: ClientError): [message: string, status: number] {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [message, 408];
    case 'HPE_HEADER_OVERFLOW':
      return ['expected a header of at most 16 KiB', 431];
    case 'HPE_INVALID_METHOD':
      return ['expected a method that HTTP has', 400];
    default:
      return [`expected an HTTP request: ${reason ?? message}`, 400];
  }
}

function refuse(socket: Duplex, message: string, status: number): void {
  const problem = problemOf(new TargetError('argument_invalid', message), status);
  const body = JSON.stringify(problem);
  const lines = [
    `HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}`,
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${String(Buffer.byteLength(body))}`,
    'Connection: close',
  ];
  const answer = `${lines.join('\r\n')}\r\n\r\n${body}`;
  if (socket instanceof HttpConnection) socket.refuse(answer);
  else socket.end(answer);
}
