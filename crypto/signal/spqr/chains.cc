// SPDX-License-Identifier: Apache-2.0
#include "crypto/signal/spqr/chains.h"

#include <algorithm>
#include <string_view>

#include "crypto/hkdf.h"

namespace godwit::crypto::signal {
namespace {

constexpr std::string_view start_label = "Signal PQ Ratchet V1 Chain  Start";  // two spaces
constexpr std::string_view next_label = "Signal PQ Ratchet V1 Chain Next";
constexpr std::string_view add_label = "Signal PQ Ratchet V1 Chain Add Epoch";
constexpr std::array<std::uint8_t, 32> zeros{};

}  // namespace

// root ‖ chain from Alice ‖ chain from Bob
Chains::Epoch Chains::derive(const Derivation& from) {
  Secret<96> keys;
  hkdf_sha256(keys.writable(), {.salt = from.salt, .key_material = from.key, .info = from.label});
  root_ = Secret<32>(keys.bytes().first<32>());
  Chain from_alice{.key = Secret<32>(keys.bytes().subspan<32, 32>())};
  Chain from_bob{.key = Secret<32>(keys.bytes().last<32>())};
  Epoch epoch;
  epoch.sending = std::move(role_ == Role::alice ? from_alice : from_bob);
  epoch.receiving = std::move(role_ == Role::alice ? from_bob : from_alice);
  return epoch;
}

Chains Chains::start(const Secret<32>& key, Role role) {
  Chains chains;
  chains.role_ = role;
  chains.epochs_.push_back(
      chains.derive({.salt = zeros, .key = key.bytes(), .label = as_bytes(start_label)}));
  return chains;
}

Chains::Chain Chains::copy_of(const Chain& chain) {
  return {.key = chain.key.copy(), .index = chain.index};
}

Chains Chains::copy() const {
  Chains copy;
  copy.role_ = role_;
  copy.root_ = root_.copy();
  copy.first_epoch_ = first_epoch_;
  copy.sending_epoch_ = sending_epoch_;
  for (const Epoch& epoch : epochs_) {
    Epoch& made = copy.epochs_.emplace_back();
    if (epoch.sending) made.sending = copy_of(*epoch.sending);
    made.receiving = copy_of(epoch.receiving);
    made.skipped.reserve(epoch.skipped.size());
    for (const Skipped& skipped : epoch.skipped) {
      made.skipped.push_back({.index = skipped.index, .key = skipped.key.copy()});
    }
  }
  return copy;
}

void Chains::add(const EpochKey& key) {
  GODWIT_CHECK(key.epoch == last_epoch() + 1);
  const Secret<32> root = root_.copy();
  epochs_.push_back(
      derive({.salt = root.bytes(), .key = key.key.bytes(), .label = as_bytes(add_label)}));
}

Secret<32> Chains::step(Chain& chain) {
  ++chain.index;
  std::array<std::uint8_t, 4 + next_label.size()> info;
  ByteWriter out(info);
  out.u32(chain.index);
  out.bytes(as_bytes(next_label));
  Secret<64> keys;
  hkdf_sha256(keys.writable(), {.salt = zeros, .key_material = chain.key.bytes(), .info = info});
  chain.key = Secret<32>(keys.bytes().first<32>());
  return Secret<32>(keys.bytes().last<32>());
}

Result<Chains::Sending> Chains::send(std::uint64_t epoch) {
  GODWIT_CHECK(epoch >= sending_epoch_ && epoch <= last_epoch());
  if (epochs_[epoch - first_epoch_].sending->index == chain_index_max) {
    return fail(ErrorCode::limit, "too many messages have gone without an answer");
  }
  if (epoch > sending_epoch_) {
    sending_epoch_ = epoch;
    drop_epochs();
  }
  Chain& chain = *epochs_[epoch - first_epoch_].sending;
  Secret<32> key = step(chain);
  return Sending{.index = chain.index, .key = std::move(key)};
}

void Chains::drop_epochs() {
  for (std::uint64_t epoch = first_epoch_; epoch < sending_epoch_; ++epoch) {
    epochs_[epoch - first_epoch_].sending.reset();
  }
  while (sending_epoch_ - first_epoch_ > late_epochs_kept) {
    epochs_.erase(epochs_.begin());
    ++first_epoch_;
  }
}

Result<Secret<32>> Chains::receive(std::uint64_t epoch, std::uint32_t index) {
  if (epoch > last_epoch()) {
    return fail(ErrorCode::not_found, "a message of an epoch that has not begun");
  }
  if (epoch < first_epoch_) {
    return fail(ErrorCode::expired, "a message of an epoch whose keys are gone");
  }
  Epoch& from = epochs_[epoch - first_epoch_];
  if (index <= from.receiving.index) return take_skipped(from, index);
  if (index - from.receiving.index > chain_jump_max) {
    return fail(ErrorCode::limit, "a message too far ahead of the last one");
  }
  return advance(from, index);
}

Result<Secret<32>> Chains::take_skipped(Epoch& epoch, std::uint32_t index) {
  const auto place = std::ranges::lower_bound(epoch.skipped, index, {}, &Skipped::index);
  if (place == epoch.skipped.end() || place->index != index) {
    return fail(ErrorCode::expired, "the key of this message has been used or is gone");
  }
  Secret<32> key = std::move(place->key);
  epoch.skipped.erase(place);
  return key;
}

Secret<32> Chains::advance(Epoch& epoch, std::uint32_t index) {
  Chain& chain = epoch.receiving;
  // Those that would be dropped at once are not kept at all.
  while (index - chain.index - 1 > skipped_keys_max) step(chain);
  while (chain.index + 1 < index) {
    Secret<32> key = step(chain);
    epoch.skipped.push_back({.index = chain.index, .key = std::move(key)});
  }
  drop_skipped();
  return step(chain);
}

std::size_t Chains::skipped_count() const {
  std::size_t count = 0;
  for (const Epoch& epoch : epochs_) count += epoch.skipped.size();
  return count;
}

void Chains::drop_skipped() {
  std::size_t count = skipped_count();
  for (Epoch& epoch : epochs_) {
    if (count <= skipped_keys_max) return;
    const std::size_t dropped = std::min(count - skipped_keys_max, epoch.skipped.size());
    epoch.skipped.erase(epoch.skipped.begin(),
                        epoch.skipped.begin() + static_cast<std::ptrdiff_t>(dropped));
    count -= dropped;
  }
}

}  // namespace godwit::crypto::signal
