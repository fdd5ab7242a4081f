// SPDX-License-Identifier: Apache-2.0
#include "dataplane/tcp/flow_hash.h"

#include <array>
#include <cstring>
#include <type_traits>

namespace godwit::dataplane::tcp {

namespace {

enum Use : std::uint8_t { use_sequence = 1, use_timestamp, use_cookie, use_port };

}  // namespace

FlowHash::FlowHash(RandomSource& random) {
  random.fill(table_key_.key.writable());
  random.fill(secret_key_.key.writable());
}

// What is the same in all flows of IPv4 is left out: the hash then takes half as long. No flow of
// IPv6 is as short.
std::uint64_t FlowHash::place(const Flow& flow) const {
  if (flow.local.is_v4() && flow.remote.is_v4()) {
    std::array<std::uint8_t, 12> differs;
    std::memcpy(differs.data(), flow.local.bytes.data() + 12, 4);
    std::memcpy(differs.data() + 4, flow.remote.bytes.data() + 12, 4);
    std::memcpy(differs.data() + 8, &flow.local_port, 2);
    std::memcpy(differs.data() + 10, &flow.remote_port, 2);
    return crypto::keyed_hash(table_key_, differs);
  }
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
