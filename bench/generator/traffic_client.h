// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// One client of a load, without a socket: bytes in, bytes out. What Load drives, whatever protocol
// it speaks. Every implementation holds the ledger of what its partner sent: each message once, in
// order, with its content. Not thread safe.

namespace godwit::bench {

class TrafficClient {
 public:
  virtual ~TrafficClient() = default;

  // What arrived, in pieces as they come; may be changed. Returns how many messages that was; an
  // error says what the server or the ledger got wrong and ends the client.
  virtual Result<unsigned> on_bytes(MutableBytes bytes) = 0;

  // Writes so many messages, with the acknowledgement that is due; with 0, that alone.
  virtual void write(unsigned messages) = 0;

  // It may send.
  virtual bool ready() const = 0;
  // An acknowledgement waits for write(). Protocols that answer at once have none that waits.
  virtual bool ack_due() const { return false; }
  // All it sent has been acknowledged, where the protocol has such a thing.
  virtual bool settled() const { return true; }
  // Grows with each frame that could carry an acknowledgement.
  virtual std::uint64_t frames_sent() const { return 0; }

  // Writes what keeps an idle connection open and is answered; how many answers came.
  virtual void ping() = 0;
  virtual unsigned pongs() const = 0;

  // Bytes to send: the caller moves them out.
  virtual std::vector<std::uint8_t>& output() = 0;
};

}  // namespace godwit::bench
