// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/flow_hash.h"

#include <type_traits>

namespace godwit::dataplane::tcp {

namespace {

enum Use : std::uint8_t { use_sequence = 1, use_timestamp, use_cookie, use_port };

}  // namespace

FlowHash::FlowHash(RandomSource& random) {
  random.fill(table_key_.key.writable());
  random.fill(secret_key_.key.writable());
}

std::uint64_t FlowHash::place(const Flow& flow) const {
  static_assert(std::has_unique_object_representations_v<Flow>);
  return crypto::keyed_hash(table_key_,
                            {reinterpret_cast<const std::uint8_t*>(&flow), sizeof flow});
}

std::uint64_t FlowHash::hash(std::uint8_t use, const Flow& flow, std::uint64_t rest) const {
  struct Input {
    std::uint64_t rest;
    std::uint32_t use;
    Flow flow;
  } input{rest, use, flow};
  static_assert(sizeof(Input) == 48 && std::has_unique_object_representations_v<Input>);
  return crypto::keyed_hash(secret_key_,
                            {reinterpret_cast<const std::uint8_t*>(&input), sizeof input});
}

std::uint32_t FlowHash::initial_sequence(const Flow& flow, Instant now) const {
  const auto clock =
      static_cast<std::uint64_t>(now.time_since_epoch() / std::chrono::microseconds(4));
  return static_cast<std::uint32_t>(clock + hash(use_sequence, flow, 0));
}

std::uint32_t FlowHash::timestamp_offset(const Flow& flow) const {
  return static_cast<std::uint32_t>(hash(use_timestamp, flow, 0));
}

std::uint32_t FlowHash::cookie(const Flow& flow, std::uint32_t peer_sequence,
                               std::uint32_t rest) const {
  return static_cast<std::uint32_t>(
      hash(use_cookie, flow, std::uint64_t{peer_sequence} << 32 | rest));
}

std::uint32_t FlowHash::port_offset(const Flow& flow) const {
  return static_cast<std::uint32_t>(hash(use_port, flow, 0));
}

}  // namespace godwit::dataplane::tcp
