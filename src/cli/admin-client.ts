/** A daemon's HTTP side-car as commands speak to it. */

import { readToken } from '../admin/authorization.js';
import { hostPortText } from '../config/describe.js';
import { loadConfiguration } from '../config/load.js';
import { isWildcard } from '../transport/address.js';
import { TargetError, errorKinds, type ErrorCode } from '../errors.js';

export interface AdminWords {
  /** `http://ADDRESS:PORT`; else what the configuration says. */
  readonly server?: string;
  readonly tokenFile?: string;
  readonly config: string;
}

const SERVER_DEFAULT = 'http://127.0.0.1:9920';

/** The answer may take as long as disks take to open and to drain. */
const ANSWER_TIMEOUT_MS = 120_000;

/** Posts, with a body if there is one; answers what the daemon answered. */
export async function adminPost(words: AdminWords, path: string, body?: object): Promise<unknown> {
  const { url, tokenFile } = await findServer(words);
  const token = tokenFile === null ? null : await readToken(tokenFile);
  const headers = {
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  let response: Response;
  try {
    response = await fetch(new URL(path, url), {
      method: 'POST',
      headers,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (thrown) {
    const cause = (thrown as { cause?: { message?: string } }).cause?.message ?? String(thrown);
    throw new TargetError('not_ready', `no daemon answers at ${url}: ${cause}`, { cause: thrown });
  }
  const answer: unknown = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { code = '', detail = `the status ${response.status}` } = (answer ?? {}) as Problem;
  throw new TargetError(code in errorKinds ? (code as ErrorCode) : 'internal', detail);
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
}

interface Server {
  readonly url: string;
  readonly tokenFile: string | null;
}

async function findServer({ server, tokenFile, config }: AdminWords): Promise<Server> {
  if (server !== undefined) {
    if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
      throw TargetError.expected('argument_invalid', 'http://ADDRESS:PORT', '--server', server);
    }
    return { url: server, tokenFile: tokenFile ?? null };
  }
  const admin = await configured(config);
  if (admin === null) return { url: SERVER_DEFAULT, tokenFile: tokenFile ?? null };
  const { listen } = admin;
  if (listen.port === 0) {
    const what = 'the address of the daemon, because admin.listen leaves the port open,';
    throw TargetError.expected('argument_invalid', what, '--server', undefined);
  }
  const loopback = listen.address.includes(':') ? '::1' : '127.0.0.1';
  const address = isWildcard(listen.address) ? loopback : listen.address;
  const url = `http://${hostPortText({ address, port: listen.port })}`;
  return { url, tokenFile: tokenFile ?? admin.tokenFile };
}

/** Null if there is no such file: the daemon may be anywhere, with the default address. */
async function configured(file: string) {
  try {
    const { configuration } = await loadConfiguration(file);
    return configuration?.admin ?? null;
  } catch (thrown) {
    if (thrown instanceof TargetError && thrown.code === 'configuration_unreadable') return null;
    throw thrown;
  }
}
