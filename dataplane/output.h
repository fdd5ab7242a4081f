// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "queues/buffer.h"

namespace godwit::dataplane {

enum class OutputKind : std::uint8_t {
  delivery,  // buffer = Envelope + body, sequence (absolute; 0 for an ephemeral one), number =
             // delay in seconds
  encoded,   // buffer = one encoded stanza, from `offset` on
  refusal,   // sequence = id, number, kind, condition
  backlog_end,
};

// One stanza waiting on its session for the turn's flush.
struct OutputNode {
  queues::Buffer buffer;
  std::uint64_t sequence = 0;
  std::uint32_t next = 0;
  std::uint32_t number = 0;
  std::uint32_t offset = 0;
  OutputKind type{};
  std::uint8_t kind = 0;
  std::uint8_t condition = 0;
};
static_assert(sizeof(OutputNode) <= 32);

// Names and versions of client programs, each kept once. Bounded: an attacker's inventions share
// the last name.
class ClientNames {
 public:
  std::uint16_t intern(std::string_view name) {
    constexpr std::size_t names_max = 1024;
    const auto found = indexes_.find(std::string(name));
    if (found != indexes_.end()) return found->second;
    if (names_.size() >= names_max) return 0;
    const auto index = static_cast<std::uint16_t>(names_.size());
    names_.emplace_back(name);
    indexes_.emplace(name, index);
    return index;
  }
  const std::string& name(std::uint16_t index) const { return names_[index]; }

 private:
  std::vector<std::string> names_{"other"};
  std::unordered_map<std::string, std::uint16_t> indexes_;
};

}  // namespace godwit::dataplane
