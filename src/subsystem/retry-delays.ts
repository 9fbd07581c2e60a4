/**
 * How long a host waits that is told to send a command again later: the Command Retry Delay Times
 * of Identify Controller, by the Command Retry Delay (CRD) of the answer. Only a host that has
 * enabled Advanced Command Retry is told one.
 */

export interface RetryDelay {
  /** 1 to 3. */
  readonly crd: number;
  /** In 100 ms. */
  readonly time: number;
}

/** It has not identified the namespace that is there now. */
export const untilIdentified: RetryDelay = { crd: 1, time: 5 };

/**
 * The device hangs and has as many commands as it may have. Linux gives up after five retries, so
 * this is longer than most devices hang.
 */
export const whileDeviceHangs: RetryDelay = { crd: 2, time: 100 };
