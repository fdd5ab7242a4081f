// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace godwit::queues {

// Which accounts may have something in the store files of a storage thread: a bit for each account
// id, as these are given out one after another and never again. What is not noted has nothing; what
// is noted may have nothing any more. Ids from ids_max on always may: the bits are bounded. Not
// thread safe.
class AwayAccounts {
 public:
  // 67 million accounts: 8 MiB of bits when one of the last of them is away.
  static constexpr std::uint64_t ids_max = std::uint64_t{1} << 26;

  void note(std::uint64_t account_id) {
    if (account_id >= ids_max) return;
    const std::size_t word = account_id / bits_a_word;
    if (word >= words_.size()) words_.resize(word + 1);
    words_[word] |= bit_of(account_id);
  }
  void forget(std::uint64_t account_id) {
    const std::size_t word = account_id / bits_a_word;
    if (word < words_.size()) words_[word] &= ~bit_of(account_id);
  }
  bool may_have(std::uint64_t account_id) const {
    if (account_id >= ids_max) return true;
    const std::size_t word = account_id / bits_a_word;
    return word < words_.size() && (words_[word] & bit_of(account_id)) != 0;
  }

 private:
  static constexpr std::size_t bits_a_word = 64;
  static std::uint64_t bit_of(std::uint64_t account_id) {
    return std::uint64_t{1} << account_id % bits_a_word;
  }

  std::vector<std::uint64_t> words_;
};

}  // namespace godwit::queues
