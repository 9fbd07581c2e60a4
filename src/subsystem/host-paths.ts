/**
 * What a host may have in mind about a subsystem's namespaces when it comes again. A host believes
 * something for each path by itself (Linux keeps it with its controller, and writes on as soon as
 * that is connected again, before it looks): what it has read on one path says nothing about
 * another one. A path is who comes, from where, to where: host NQN and host identifier, the peer's
 * address without its port, and the address and port that it reached.
 *
 * A host may have several controllers on one path (`nvme connect --duplicate-connect`, or two paths
 * that address translation makes one), and a Connect does not say which of them comes again. So
 * each controller that ended is taken to be away, and who comes is taken to be one of them: sure is
 * only what all of them know. If nobody is away, who comes may be one whose end is not seen yet, a
 * new one, or one that was away before anything is remembered here; the last is ruled out only when
 * the path has been known for long. What is not sure is looked up again, which is safe.
 *
 * Nobody is away for ever: one that does not come while another controller of its path lives has
 * been given up by its host.
 */

import { canonicalAddress } from '../transport/address.js';
import type { Connection } from '../transport/connection.js';
import { endpointKey } from '../transport/listener.js';
import type { Controller } from './controller.js';

/** By NSID: a content, or `unsure`. */
export type Beliefs = ReadonlyMap<number, string>;

/** Those who may be meant know different contents; equal to none. */
const unsure = '';

/** As long as Linux tries to come again, if it is not told otherwise (`ctrl_loss_tmo`). */
export const comesAgainMs = 600_000;

/** Paths that are remembered; of others it is asked anew. */
const pathsMax = 4096;

interface HostPath {
  readonly knownSinceMs: number;
  /** Since when each lives. */
  readonly living: Map<Controller, number>;
  /** Controllers that ended and have not come again. */
  awayCount: number;
  awaySinceMs: number;
  /** What all that are away know. */
  awayKnow: Beliefs;
}

export class HostPaths {
  readonly #byKey = new Map<string, HostPath>();

  /** A new controller; answers what its host may have in mind. */
  opened(controller: Controller, nowMs: number): Beliefs {
    const path = this.#take(controller.path, nowMs);
    giveUpAway(path, nowMs);
    const beliefs = beliefsOfNext(path, nowMs);
    if (path.awayCount > 0) path.awayCount -= 1;
    path.living.set(controller, nowMs);
    return beliefs;
  }

  /** Its end has begun: its host may come again with what the controller knows. */
  ended(controller: Controller, nowMs: number): void {
    const path = this.#byKey.get(controller.path);
    if (path === undefined || !path.living.has(controller)) return;
    giveUpAway(path, nowMs);
    path.living.delete(controller);
    const others = path.living.size + path.awayCount;
    // Its host has done with it: it speaks for the path, but waits for nobody.
    if (controller.state === 'shut_down' && others > 0) return;
    const { known } = controller;
    path.awayKnow = path.awayCount === 0 ? new Map(known) : agreed([path.awayKnow, known]);
    path.awayCount += 1;
    path.awaySinceMs = nowMs;
  }

  #take(key: string, nowMs: number): HostPath {
    const path = this.#byKey.get(key) ?? {
      knownSinceMs: nowMs,
      living: new Map<Controller, number>(),
      awayCount: 0,
      awaySinceMs: nowMs,
      awayKnow: new Map<number, string>(),
    };
    // The path that was used longest ago is forgotten first.
    this.#byKey.delete(key);
    this.#byKey.set(key, path);
    if (this.#byKey.size <= pathsMax) return path;
    for (const [other, { living }] of this.#byKey) {
      if (other === key || living.size > 0) continue;
      this.#byKey.delete(other);
      break;
    }
    return path;
  }
}

/** Who comes from where to where. */
export function hostPath(hostNqn: string, hostId: Buffer, { peer, local }: Connection): string {
  const id = hostId.toString('hex');
  return [hostNqn, id, canonicalAddress(peer.address), endpointKey(local)].join('\0');
}

function beliefsOfNext(path: HostPath, nowMs: number): Beliefs {
  if (path.awayCount > 0) return path.awayKnow;
  const isKnown = nowMs - path.knownSinceMs >= comesAgainMs;
  return isKnown ? agreed([...path.living.keys()].map(({ known }) => known)) : new Map();
}

function giveUpAway(path: HostPath, nowMs: number): void {
  const isOver = [...path.living.values()].some(
    (sinceMs) => nowMs - Math.max(sinceMs, path.awaySinceMs) >= comesAgainMs,
  );
  if (isOver) path.awayCount = 0;
}

function agreed(all: readonly Beliefs[]): Beliefs {
  const [first, ...rest] = all;
  const nsids = new Set(all.flatMap((beliefs) => [...beliefs.keys()]));
  return new Map(
    [...nsids].map((nsid) => {
      const content = first?.get(nsid) ?? unsure;
      return [nsid, rest.every((other) => other.get(nsid) === content) ? content : unsure];
    }),
  );
}
