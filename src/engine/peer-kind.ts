/**
 * The classes that peers are of, in the order of addon/transport/peer_kind.h: strangers until their
 * Connect is accepted, then those on discovery controllers and hosts.
 */

export const peerKinds = ['stranger', 'discovery', 'host'] as const;

export type PeerKind = (typeof peerKinds)[number];
