/**
 * Every error that capsuled reports on purpose is a {@link TargetError} with a code from the one
 * registry below. The code is what scripts may depend on; the message is for people and may change.
 * `docs/reference/errors.md` is the registry for readers; a test keeps the two in step.
 *
 * Errors of a host (bad lengths, unknown opcodes) are NVMe statuses, never a TargetError.
 */

/** What a code means, and the HTTP status that the admin API answers it with. */
export interface ErrorKind {
  readonly title: string;
  readonly httpStatus: number;
}

/** Alphabetical. A code, once released, keeps its meaning. */
export const errorKinds = {
  address_unavailable: { title: 'The address cannot be listened on', httpStatus: 409 },
  already_exists: { title: 'Something of that name exists already', httpStatus: 409 },
  apply_failed: {
    title: 'The configuration was not applied; the old one is back',
    httpStatus: 409,
  },
  argument_invalid: { title: 'An argument is not valid', httpStatus: 400 },
  bdev_failed: { title: 'The block device could not be opened or closed', httpStatus: 422 },
  configuration_invalid: { title: 'The configuration is not valid', httpStatus: 422 },
  configuration_unreadable: { title: 'The configuration file cannot be read', httpStatus: 422 },
  device_failed: { title: 'The device did not change hands', httpStatus: 422 },
  engine_unavailable: { title: 'The native engine cannot be used', httpStatus: 503 },
  file_differs: { title: 'The daemon reads another file', httpStatus: 409 },
  forbidden: { title: 'The caller may not do this', httpStatus: 403 },
  identity_conflict: {
    title: 'A disk is recorded under another identity',
    httpStatus: 409,
  },
  in_use: { title: 'Something else still uses it', httpStatus: 409 },
  internal: { title: 'A defect in capsuled', httpStatus: 500 },
  limit_reached: { title: 'A configured limit is reached', httpStatus: 409 },
  method_not_allowed: { title: 'The resource does not have this method', httpStatus: 405 },
  misdirected: { title: 'The request names a host that this is not', httpStatus: 421 },
  not_found: { title: 'There is no such thing', httpStatus: 404 },
  not_ready: { title: 'The target is starting or stopping', httpStatus: 503 },
  out_of_memory: { title: 'There is not enough memory', httpStatus: 507 },
  permission_needed: { title: 'The change needs permission that was not given', httpStatus: 409 },
  platform_unsupported: {
    title: 'This machine lacks something that capsuled needs',
    httpStatus: 503,
  },
  precondition_failed: { title: 'It was changed since it was read', httpStatus: 412 },
  rollback_failed: {
    title: 'The configuration was not applied, and the old one is not wholly back yet',
    httpStatus: 500,
  },
  state_unusable: {
    title: 'What was recorded cannot be read or written',
    httpStatus: 500,
  },
  unauthorized: { title: 'The caller is not known', httpStatus: 401 },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorKinds;

export interface TargetErrorOptions extends ErrorOptions {
  /** The configuration key or field at fault, as a path: `subsystems[0].namespaces[1].bdev`. */
  readonly field?: string;
}

/** An error with a code. Messages read "expected X for `name`, got Y" wherever that fits. */
export class TargetError extends Error {
  override readonly name = 'TargetError';
  readonly code: ErrorCode;
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, options: TargetErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.field = options.field;
  }

  /** The message that most errors want: "expected `what` for `field`, got `got`". */
  static expected(code: ErrorCode, what: string, field: string, got: unknown): TargetError {
    return new TargetError(code, `expected ${what} for \`${field}\`, got ${printed(got)}`, {
      field,
    });
  }

  /**
   * Anything thrown, as a TargetError: itself, or `internal` with the thrown value as its cause.
   */
  static from(thrown: unknown): TargetError {
    if (thrown instanceof TargetError) return thrown;
    const message = thrown instanceof Error ? thrown.message : printed(thrown);
    return new TargetError('internal', message, { cause: thrown });
  }

  get title(): string {
    return errorKinds[this.code].title;
  }

  get httpStatus(): number {
    return errorKinds[this.code].httpStatus;
  }
}

function printed(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${value}'`;
    case 'bigint':
    case 'number':
    case 'boolean':
      return value.toString();
    case 'undefined':
      return 'nothing';
    default:
      return JSON.stringify(value, (_key, inner: unknown) =>
        typeof inner === 'bigint' ? inner.toString() : inner,
      );
  }
}
