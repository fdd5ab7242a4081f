// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/connection_name.h"
#include "base/ip_address.h"
#include "base/result.h"

// The one seam between a gateway and a network: byte streams of one core, events up, calls down.
//
// Thread safety: everything on the owning shard's thread, except wake(), which any thread may call.
//
// Rules every backend keeps, held by one conformance suite (tests/dataplane/io/conformance):
//  1. A down call never calls the handler; events come only from poll().
//  2. A stale name does nothing: send accepts 0 bytes, the rest are ignored. Never another
//  connection.
//  3. on_closed comes exactly once for each accepted or connected name, also after close(); after
//  it the name is
//     stale and nothing more is reported for it. A close by the peer is reported once all its bytes
//     are.
//  4. Bytes arrive in order; a lease is valid during the callback only, and the callee may
//  overwrite it meanwhile
//     (frames are decrypted in place).
//  5. send takes bytes in order and either all or none of a call's chunks, and copies what it
//  takes; it takes
//     none when that would put more than send_queue_max on the connection's queue, or when the send
//     pool has no memory. After a refusal on_writable comes once the queue has fallen below half.
//  6. pause_receive stops on_bytes at the latest after the current poll(); bytes stay with the peer
//  (or in at
//     most one receive buffer) and come after resume_receive.
//  7. close(graceful) sends what is queued, then FIN, and waits for the peer's FIN no longer than
//  the configured
//     linger; close(abort) resets. In both, on_bytes is not called any more.
//  8. The peer's half-close counts as its close: what is queued to it is still sent, then
//  on_closed(peer_closed).
//  9. An idle connection holds no receive, transmit or crypto buffer and no timer.

namespace godwit::dataplane::io {

enum class CloseMode : std::uint8_t { graceful, abort };

enum class CloseReason : std::uint8_t {
  peer_closed,  // FIN from the peer
  reset,        // RST from the peer, or a network error
  local,        // close() by this side
  failed,       // connect() did not reach the peer
};

struct Endpoint {
  std::string host;  // IPv4 or IPv6 literal
  std::uint16_t port = 0;
};

// What a backend calls from poll(). `user` is the value last given to set_user, 0 before.
template <typename H>
concept StreamHandler = requires(H handler, ConnectionName name, std::uint64_t user,
                                 MutableBytes lease, CloseReason reason) {
  // A new connection, accepted or connected by us (connected == true).
  { handler.on_open(name, bool{}) } -> std::same_as<void>;
  { handler.on_bytes(name, user, lease) } -> std::same_as<void>;
  { handler.on_writable(name, user) } -> std::same_as<void>;
  { handler.on_closed(name, user, reason) } -> std::same_as<void>;
};

// Stands for any handler in the concept below.
struct NullHandler {
  void on_open(ConnectionName, bool) {}
  void on_bytes(ConnectionName, std::uint64_t, MutableBytes) {}
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName, std::uint64_t, CloseReason) {}
};
static_assert(StreamHandler<NullHandler>);

template <typename B>
concept StreamBackend = requires(B backend, ConnectionName name, Endpoint endpoint, Bytes bytes,
                                 std::span<const Bytes> chunks, std::uint64_t user,
                                 std::size_t budget, Now now, Instant deadline,
                                 NullHandler& handler) {
  // Port 0 takes a free one; returns the bound port. SO_REUSEPORT: every shard listens on the same.
  { backend.listen(endpoint) } -> std::same_as<Result<std::uint16_t>>;
  { backend.stop_listening() } -> std::same_as<void>;
  { backend.connect(endpoint) } -> std::same_as<Result<ConnectionName>>;
  { backend.set_user(name, user) } -> std::same_as<void>;
  // Bytes taken: all or 0, see rule 5.
  { backend.send(name, chunks) } -> std::same_as<std::size_t>;
  { backend.pause_receive(name) } -> std::same_as<void>;
  { backend.resume_receive(name) } -> std::same_as<void>;
  { backend.close(name, CloseMode::graceful) } -> std::same_as<void>;
  // The other side of an accepted connection. Costs nothing, and is known in on_open only.
  { backend.peer_ip(name) } -> std::same_as<IpAddress>;
  // "host:port" of the other side, for logs at debug level and the session table.
  { backend.peer_address(name) } -> std::same_as<std::string>;
  // Flushes queued sends to the network, then handles at most about `budget` events; sleeps until
  // `deadline` at the longest when there are none (a deadline at or before now.instant does not
  // sleep). Returns events handled.
  { backend.poll(now, budget, deadline, handler) } -> std::same_as<std::size_t>;
  { backend.wake() } -> std::same_as<void>;
  { backend.open_connections() } -> std::same_as<std::size_t>;
  // Closed at once because as many were open as may be, since the start.
  { backend.refused_connections() } -> std::same_as<std::uint64_t>;
};

}  // namespace godwit::dataplane::io
