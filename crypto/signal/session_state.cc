// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session_state.h"

#include <algorithm>

namespace godwit::crypto::signal {
SessionState SessionState::copy() const {
  SessionState copy{.local_identity = local_identity,
                    .remote_identity = remote_identity,
                    .local_registration_id = local_registration_id,
                    .remote_registration_id = remote_registration_id,
                    .base_key = base_key,
                    .root = root.copy(),
                    .ratchet = ratchet.copy(),
                    .sender_chain = sender_chain.copy(),
                    .previous_counter = previous_counter,
                    .receiver_chains = {},
                    .pending = pending,
                    .pq = pq.copy()};
  for (const ReceiverChain& chain : receiver_chains) {
    copy.receiver_chains.push_back({chain.ratchet_key, chain.chain.copy()});
  }
  return copy;
}

ReceiverChain* SessionState::receiver_chain(const PublicKey& ratchet_key) {
  const auto found = std::ranges::find(receiver_chains, ratchet_key, &ReceiverChain::ratchet_key);
  return found == receiver_chains.end() ? nullptr : &*found;
}

void SessionState::add_receiver_chain(ReceiverChain chain) {
  if (receiver_chains.size() == receiver_chains_max) {
    receiver_chains.erase(receiver_chains.begin());
  }
  receiver_chains.push_back(std::move(chain));
}

}  // namespace godwit::crypto::signal
