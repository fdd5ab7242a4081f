// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "client/state.h"
#include "protocol/stanza.h"

// What stands between the application's messages and the outbox and inbox: encryption and the keys
// it needs (client/sealing.h is the one that ships; tests of what lies below it put their own in
// its place). Client calls it from its turns. An error is the disk's and final. Not thread safe.

namespace godwit::client {

// What an iq to the server carries; answered by on_answer under the same id.
struct Question {
  std::uint64_t id = 0;
  bool set = false;
  std::vector<std::uint8_t> node;
};

// A message of the application that will not be sent; why, for people.
struct Unsendable {
  std::uint64_t message = 0;
  std::string why;
};

struct Work {
  std::vector<Question> questions;
  std::vector<Unsendable> unsendable;
  std::vector<std::uint64_t>
      accepted;  // messages of the application, with what else they waited for
  bool outbox_grew = false;
  bool inbox_grew = false;
};

class Sealer {
 public:
  virtual ~Sealer() = default;

  virtual std::size_t payload_size_max() const = 0;
  // As State::append_outbox.
  virtual Result<std::uint64_t> put(const protocol::Jid& to,
                                    std::span<const std::string> payloads) = 0;
  // As State::store.
  virtual Result<std::size_t> store(std::span<const State::Incoming> messages) = 0;

  // Earlier questions will not be answered.
  virtual Result<void> on_session(Now now) = 0;
  // `condition` when the server refused; otherwise the element of its result.
  virtual Result<void> on_answer(std::uint64_t id, std::optional<protocol::Condition> condition,
                                 Bytes node, Now now) = 0;
  virtual Result<void> on_notice(Bytes node, Now now) = 0;
  // Row `id` of the outbox was encrypted for other devices than the recipient has. Before it is
  // settled.
  virtual Result<void> on_device_list(std::uint64_t id, const std::string& recipient,
                                      const protocol::DeviceList& list, Now now) = 0;
  // The gateway does not know the device any more.
  virtual Result<void> on_device_gone(const std::string& recipient) = 0;
  // In a session: what there is to do. Called each turn.
  virtual Result<Work> work(Now now) = 0;
  // When work() has something to do though nothing has come.
  virtual Instant deadline() const = 0;

  // Whether others can write to this device: its keys are at the gateway.
  virtual bool keys_published() const = 0;
  // Fetches the account's devices; `done` gets why not, or nothing.
  using LookedUp = std::function<void(const std::string& trouble)>;
  virtual void look_up(const std::string& user, LookedUp done) = 0;
};

using MakeSealer = std::function<std::unique_ptr<Sealer>(State& state, RandomSource& random)>;

// With Signal (client/sealing.h).
std::unique_ptr<Sealer> seal_with_signal(State& state, RandomSource& random);

}  // namespace godwit::client
