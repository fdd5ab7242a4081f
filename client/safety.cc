// SPDX-License-Identifier: Apache-2.0
#include "client/safety.h"

#include "crypto/signal/fingerprint.h"

namespace godwit::client {

Result<std::vector<SafetyNumber>> safety_numbers(State& state, const protocol::Jid& account) {
  const auto identity = state.load_identity();
  if (!identity) return std::unexpected(identity.error());
  Vault vault(state.database());
  SystemRandom random;
  const auto own = vault.own(random);
  if (!own) return std::unexpected(own.error());
  const std::string name = protocol::to_text({.user = account.user, .domain = account.domain});
  const auto list = vault.devices(name);
  if (!list) return std::unexpected(list.error());
  const std::string self = *identity ? protocol::to_text((*identity)->jid) : "";
  std::vector<SafetyNumber> numbers;
  if (*list) {
    for (const Vault::ListedDevice& device : (*list)->devices) {
      SafetyNumber number{
          .peer = protocol::to_text(
              {.user = account.user, .domain = account.domain, .device = device.device})};
      const auto known = vault.peer(number.peer);
      if (!known) return std::unexpected(known.error());
      if (number.peer == self || !*known) continue;
      number.known = **known;
      const auto fingerprint = crypto::signal::Fingerprint::make(
          {.identifier = as_bytes(self), .identity = own->identity.public_key},
          {.identifier = as_bytes(number.peer), .identity = number.known.identity});
      number.digits = fingerprint.digits();
      number.scannable = fingerprint.scannable();
      numbers.push_back(std::move(number));
    }
  }
  if (numbers.empty()) return fail(ErrorCode::not_found, "no device of " + name + " is known");
  return numbers;
}

Result<void> mark_verified(State& state, const SafetyNumber& number) {
  if (auto set = state.database().set_waiting_for_disk(true); !set) return set;
  Vault vault(state.database());
  return vault.save_peer(number.peer,
                         {.identity = number.known.identity, .trust = Vault::Trust::verified});
}

}  // namespace godwit::client
