// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/session_state.h"

#include <algorithm>

namespace godwit::crypto::signal {
namespace {

std::vector<SkippedKey> copy_of(const std::vector<SkippedKey>& skipped) {
  std::vector<SkippedKey> copy;
  copy.reserve(skipped.size());
  for (const SkippedKey& key : skipped) copy.push_back({key.counter, key.seed.copy()});
  return copy;
}

Result<Secret<32>> take_skipped_seed(std::vector<SkippedKey>& skipped, std::uint32_t counter) {
  const auto found = std::ranges::lower_bound(skipped, counter, {}, &SkippedKey::counter);
  if (found == skipped.end() || found->counter != counter) {
    return fail(ErrorCode::exists, "the message was read before, or its key is no longer kept");
  }
  Secret<32> seed = std::move(found->seed);
  skipped.erase(found);
  return seed;
}

}  // namespace

Result<Secret<32>> take_seed(ChainKey& chain, std::vector<SkippedKey>& skipped,
                             std::uint32_t counter) {
  if (counter < chain.index) return take_skipped_seed(skipped, counter);
  const std::uint32_t jump = counter - chain.index;
  if (jump > forward_jump_max || counter == UINT32_MAX) {
    return fail(ErrorCode::limit, "the message is too far ahead of those that have come");
  }
  // What would be dropped at once is not derived.
  const std::size_t kept = std::min<std::size_t>(jump, skipped_message_keys_max);
  const std::size_t room = skipped_message_keys_max - kept;
  if (skipped.size() > room) {
    skipped.erase(skipped.begin(), skipped.end() - static_cast<std::ptrdiff_t>(room));
  }
  for (; chain.index < counter; chain = chain.next()) {
    if (counter - chain.index <= kept) skipped.push_back({chain.index, chain.message_seed()});
  }
  Secret<32> seed = chain.message_seed();
  chain = chain.next();
  return seed;
}

ReceiverChain ReceiverChain::copy() const {
  return {ratchet_key, chain.copy(), copy_of(skipped)};
}

Result<Secret<32>> ReceiverChain::take_seed(std::uint32_t counter) {
  return signal::take_seed(chain, skipped, counter);
}

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
  for (const ReceiverChain& chain : receiver_chains) copy.receiver_chains.push_back(chain.copy());
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
