// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "client/sealer.h"
#include "protocol/limits.h"

// Passes everything as it is: for tests of what lies below encryption, whose other side looks into
// the messages. Not in anything that ships.

namespace godwit::client::test {

class PlainSealer final : public Sealer {
 public:
  explicit PlainSealer(State& state) : state_(state) {}
  std::size_t payload_size_max() const override { return protocol::payload_size_max; }
  Result<std::uint64_t> put(const protocol::Jid& to,
                            std::span<const std::string> payloads) override {
    grew_ = true;
    return state_.append_outbox(protocol::to_text(to), payloads);
  }
  Result<std::size_t> store(std::span<const State::Incoming> messages) override {
    return state_.store(messages);
  }
  Result<void> on_session(Now) override { return {}; }
  Result<void> on_answer(std::uint64_t, std::optional<protocol::Condition>, Bytes, Now) override {
    return {};
  }
  Result<void> on_notice(Bytes, Now) override { return {}; }
  Result<void> on_device_list(std::uint64_t, const std::string&, const protocol::DeviceList&,
                              Now) override {
    return {};
  }
  Result<void> on_device_gone(const std::string&) override { return {}; }
  Result<Work> work(Now) override { return Work{.outbox_grew = std::exchange(grew_, false)}; }
  Instant deadline() const override { return grew_ ? Instant{} : never; }
  bool keys_published() const override { return true; }
  void look_up(const std::string&, LookedUp done) override { done("no directory"); }

 private:
  State& state_;
  bool grew_ = false;
};

inline std::unique_ptr<Sealer> pass_plain(State& state, RandomSource&) {
  return std::make_unique<PlainSealer>(state);
}

}  // namespace godwit::client::test
