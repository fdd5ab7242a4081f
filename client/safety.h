// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "client/state.h"
#include "client/vault.h"

// Safety numbers of this device with those of an account: what two people compare to know that
// nobody is between them, and the mark that they have. Not thread safe.

namespace godwit::client {

struct SafetyNumber {
  std::string peer;  // user@domain/device
  Vault::Peer known;
  std::string digits;                   // 60, the same on both sides
  std::vector<std::uint8_t> scannable;  // for a QR code
};

// Of the devices that the list has, as it was fetched last (Client::look_up). Errors: not_found,
// when it never was or is empty.
Result<std::vector<SafetyNumber>> safety_numbers(State& state, const protocol::Jid& account);
// They were compared and are the same. Messages are sent to it again when its identity had changed.
Result<void> mark_verified(State& state, const SafetyNumber& number);

}  // namespace godwit::client
