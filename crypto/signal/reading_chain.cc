// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/reading_chain.h"

#include <algorithm>

namespace godwit::crypto::signal {

ReadingChain ReadingChain::copy() const {
  ReadingChain copy(next_.copy());
  copy.skipped_.reserve(skipped_.size());
  for (const Skipped& key : skipped_) copy.skipped_.push_back({key.counter, key.seed.copy()});
  return copy;
}

Result<Secret<32>> ReadingChain::take_skipped(std::uint32_t counter) {
  const auto found = std::ranges::lower_bound(skipped_, counter, {}, &Skipped::counter);
  if (found == skipped_.end() || found->counter != counter) {
    return fail(ErrorCode::exists, "the message was read before, or its key is no longer kept");
  }
  Secret<32> seed = std::move(found->seed);
  skipped_.erase(found);
  return seed;
}

Result<Secret<32>> ReadingChain::take_seed(std::uint32_t counter) {
  if (counter < next_.index) return take_skipped(counter);
  const std::uint32_t jump = counter - next_.index;
  if (jump > forward_jump_max || counter == UINT32_MAX) {
    return fail(ErrorCode::limit, "the message is too far ahead of those that have come");
  }
  // Seeds that would be dropped at once are not derived.
  const std::size_t kept = std::min<std::size_t>(jump, skipped_message_keys_max);
  const std::size_t room = skipped_message_keys_max - kept;
  if (skipped_.size() > room) {
    skipped_.erase(skipped_.begin(), skipped_.end() - static_cast<std::ptrdiff_t>(room));
  }
  for (; next_.index < counter; next_ = next_.next()) {
    if (counter - next_.index <= kept) skipped_.push_back({next_.index, next_.message_seed()});
  }
  Secret<32> seed = next_.message_seed();
  next_ = next_.next();
  return seed;
}

void ReadingChain::write(StateWriter& out) const {
  out.bytes(next_.key.bytes());
  out.u32(next_.index);
  out.u32(static_cast<std::uint32_t>(skipped_.size()));
  for (const Skipped& key : skipped_) {
    out.u32(key.counter);
    out.bytes(key.seed.bytes());
  }
}

ReadingChain ReadingChain::read(ByteReader& in) {
  Secret<32> key = take_secret<32>(in);
  const std::uint32_t index = in.u32();
  ReadingChain chain({std::move(key), index});
  const std::uint32_t count = in.u32();
  if (count > skipped_message_keys_max) in.fail();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    const std::uint32_t counter = in.u32();
    const bool ordered = chain.skipped_.empty() || chain.skipped_.back().counter < counter;
    if (!ordered || counter >= index) in.fail();
    chain.skipped_.push_back({counter, take_secret<32>(in)});
  }
  return chain;
}

}  // namespace godwit::crypto::signal
