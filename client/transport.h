// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "client/dial.h"

// The bytes between a client and its gateway: a TCP socket, or what a simulation puts in its place.
// Nothing blocks. Not thread safe.

namespace godwit::client {

class Transport {
 public:
  // Closes. What send() took still leaves, where the other side lets it.
  virtual ~Transport() = default;

  // False while it is on its way. Errors: unavailable, with the reason alone.
  virtual Result<bool> finish_connect() = 0;
  // Bytes read; 0 once the other side has closed or the connection is broken; nothing when there
  // is nothing now.
  virtual std::optional<std::size_t> receive(MutableBytes out) = 0;
  // Bytes taken, from the front; 0 when it takes none now. A broken one shows in receive().
  virtual std::size_t send(Bytes bytes) = 0;
  // To wait for; -1 where there is none.
  virtual int descriptor() const = 0;
};

// Begins a connection; `attempt` counts failures so far. Errors: as dial().
using Dial = std::function<Result<std::unique_ptr<Transport>>(const ServerAddress& address,
                                                              std::uint32_t attempt)>;

// Over TCP. Errors: as dial().
Result<std::unique_ptr<Transport>> dial_tcp(const ServerAddress& address, std::uint32_t attempt);

}  // namespace godwit::client
