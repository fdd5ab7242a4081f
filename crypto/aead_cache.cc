// SPDX-License-Identifier: Apache-2.0
#include <bit>

#include "base/result.h"
#include "crypto/aead.h"
#include "crypto/aes_gcm.h"

namespace godwit::crypto {

// Expanded keys lie in an array of their own, so that looking through a set touches four cache
// lines and not 28.
struct alignas(64) AeadCache::Entry {
  std::array<std::uint64_t, 4> key{};
  std::uint64_t connection = 0;
  std::uint64_t used_at = 0;  // 0: empty
  Direction direction = Direction::send;
};

AeadCache::AeadCache(std::size_t keys)
    : functions_(aes_gcm::fastest()),
      set_count_(functions_ != nullptr
                     ? std::bit_ceil((std::max<std::size_t>(keys, 1) + ways - 1) / ways)
                     : 0),
      entries_(std::make_unique<Entry[]>(capacity())),
      expanded_(std::make_unique<aes_gcm::ExpandedKey[]>(capacity())) {}

AeadCache::~AeadCache() {
  for (std::size_t i = 0; i < capacity(); ++i) wipe(entries_[i]);
}

std::size_t AeadCache::size() const {
  std::size_t used = 0;
  for (std::size_t i = 0; i < capacity(); ++i) used += entries_[i].used_at != 0;
  return used;
}

AeadCache::Entry* AeadCache::set_of(std::uint64_t connection, Direction direction) {
  // Fibonacci hashing (Knuth, volume 3, section 6.4): connection numbers differ in few bits,
  // anywhere.
  const std::uint64_t name =
      (connection << 1 | connection >> 63) ^ static_cast<std::uint64_t>(direction);
  const std::uint64_t mixed = (name * 0x9e3779b97f4a7c15) >> 32;
  return &entries_[(mixed & (set_count_ - 1)) * ways];
}

void AeadCache::wipe(Entry& entry) {
  if (entry.used_at == 0) return;
  sodium_memzero(&expanded_[static_cast<std::size_t>(&entry - entries_.get())],
                 sizeof expanded_[0]);
  sodium_memzero(entry.key.data(), sizeof entry.key);
  entry.used_at = 0;
}

void AeadCache::forget(std::uint64_t connection) {
  if (set_count_ == 0) return;
  for (const Direction direction : {Direction::send, Direction::receive}) {
    Entry* const set = set_of(connection, direction);
    for (Entry* entry = set; entry < set + ways; ++entry) {
      if (entry->connection == connection && entry->direction == direction) wipe(*entry);
    }
  }
}

const aes_gcm::ExpandedKey& AeadCache::expand(std::uint64_t connection, Direction direction,
                                              const Secret<32>& key) {
  GODWIT_CHECK(set_count_ > 0);
  // Taken one by one, so that no copy of the key is left behind.
  const auto word = [&](std::size_t i) {
    std::uint64_t value;
    std::memcpy(&value, key.data() + i * sizeof value, sizeof value);
    return value;
  };
  Entry* const set = set_of(connection, direction);
  Entry* chosen = set;
  bool same_key = false;
  for (Entry* entry = set; entry < set + ways; ++entry) {
    if (entry->used_at != 0 && entry->connection == connection && entry->direction == direction) {
      chosen = entry;
      // All words, whatever the first ones say: the time taken must not tell of the key.
      std::uint64_t difference = 0;
      for (std::size_t i = 0; i < entry->key.size(); ++i) difference |= word(i) ^ entry->key[i];
      same_key = difference == 0;
      break;
    }
    if (entry->used_at < chosen->used_at) chosen = entry;
  }
  auto& expanded = expanded_[static_cast<std::size_t>(chosen - entries_.get())];
  if (same_key) {
    ++hits_;
  } else {
    ++misses_;
    wipe(*chosen);
    functions_->expand(key.data(), expanded);
    std::memcpy(chosen->key.data(), key.data(), sizeof chosen->key);
    chosen->connection = connection;
    chosen->direction = direction;
  }
  chosen->used_at = ++uses_;
  return expanded;
}

}  // namespace godwit::crypto
