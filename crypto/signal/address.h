// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// Names of devices. Thread safety: values.

namespace godwit::crypto::signal {

// An account's name, ours a JID, and one of its devices, 1 to 127 where libsignal is the other.
struct ProtocolAddress {
  std::string name;
  std::uint32_t device_id = 0;

  auto operator<=>(const ProtocolAddress&) const = default;
};

struct AddressPair {
  const ProtocolAddress& sender;
  const ProtocolAddress& receiver;
};

// The pair as libsignal writes it into the first messages of a session: for each a byte for the
// kind of service id (0 account, 1 phone number), 16 bytes of UUID and a byte for the device. None
// when a name is no service id, as JIDs are not.
std::optional<std::vector<std::uint8_t>> encode_addresses(const AddressPair& addresses);

}  // namespace godwit::crypto::signal
