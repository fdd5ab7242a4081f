// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "tests/crypto/signal/session_pair.h"

// What is used up is nowhere in the process's memory: looked for as somebody would in a core dump,
// heap and stack and all. What is looked for is itself kept masked.

namespace godwit::crypto::signal {
namespace {

using testing::SessionPair;

constexpr std::uint8_t mask = 0xa5;

class Needle {
 public:
  explicit Needle(Bytes secret) {
    for (std::uint8_t byte : secret) masked_.push_back(byte ^ mask);
  }

  // Whether it is anywhere in writable memory.
  bool in_memory() const {
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    GODWIT_CHECK(memory >= 0);
    std::ifstream maps("/proc/self/maps");
    bool found = false;
    for (std::string line; std::getline(maps, line) && !found;) {
      std::uint64_t begin = 0;
      std::uint64_t end = 0;
      char writable = 0;
      GODWIT_CHECK(std::sscanf(line.c_str(), "%lx-%lx r%c", &begin, &end, &writable) >= 2);
      // A sanitizer's shadow has terabytes.
      if (writable == 'w' && end - begin < 1u << 30) found = in_area(memory, begin, end);
    }
    ::close(memory);
    return found;
  }

 private:
  bool in_area(int memory, std::uint64_t begin, std::uint64_t end) const {
    std::vector<std::uint8_t> block(1 << 20);
    for (std::uint64_t at = begin; at < end; at += block.size() - masked_.size()) {
      const ssize_t got = ::pread(memory, block.data(), block.size(), static_cast<off_t>(at));
      if (got <= 0) return false;  // guard pages
      const auto size = static_cast<std::size_t>(
          std::min<std::uint64_t>(static_cast<std::uint64_t>(got), end - at));
      if (in_block(Bytes(block).first(size))) return true;
    }
    return false;
  }
  bool in_block(Bytes block) const {
    const std::uint8_t first = masked_[0] ^ mask;
    for (std::size_t i = 0; i + masked_.size() <= block.size(); ++i) {
      if (block[i] != first) continue;
      std::size_t same = 1;
      while (same < masked_.size() && (block[i + same] ^ mask) == masked_[same]) ++same;
      if (same == masked_.size()) return true;
    }
    return false;
  }

  std::vector<std::uint8_t> masked_;
};

class Wipe : public SessionPair {
 protected:
  // Made without a literal.
  static SecretBytes secret_text() {
    SecretBytes text(100);
    SeededRandom(77).fill(text);
    return text;
  }
  CiphertextMessage send_secret() {
    const SecretBytes text = secret_text();
    return encrypt(alices(), text, alice.context(bob.address), alice.random).value();
  }
  Result<SecretBytes> read_secret(const CiphertextMessage& message) {
    return decrypt(bobs(), message.bytes, bob.context(alice.address), bob.random);
  }
};

TEST_F(Wipe, TheSearchFindsWhatIsThere) {
  SecretBytes text = secret_text();
  const Needle needle(text);
  EXPECT_TRUE(needle.in_memory());
  text = SecretBytes();
  EXPECT_FALSE(needle.in_memory());
  Secret<32> key;
  alice.random.fill(key.writable());
  const Needle on_the_stack(key.bytes());
  EXPECT_TRUE(on_the_stack.in_memory());
  key.wipe();
  EXPECT_FALSE(on_the_stack.in_memory());
}

TEST_F(Wipe, ATextThatWasReadAndDropped) {
  establish();
  const Needle text(secret_text());
  const CiphertextMessage message = send_secret();
  EXPECT_FALSE(text.in_memory()) << "of the sender";
  {
    const auto read = read_secret(message);
    ASSERT_TRUE(read);
    EXPECT_TRUE(text.in_memory());
  }
  EXPECT_FALSE(text.in_memory()) << "of the reader";
}

// Forward secrecy: neither side keeps the key of a message or of the chain before it.
TEST_F(Wipe, KeysOfAMessageThatWasRead) {
  establish();
  const Needle chain(alices().current()->sender_chain.key.bytes());
  const Needle seed(alices().current()->sender_chain.message_seed().bytes());
  EXPECT_TRUE(chain.in_memory());
  const CiphertextMessage message = from_alice("text");
  EXPECT_FALSE(seed.in_memory());
  ASSERT_EQ(to_bob(message), "text");
  EXPECT_FALSE(seed.in_memory());
  EXPECT_FALSE(chain.in_memory());
}

TEST_F(Wipe, KeysOfAMessageThatCameLate) {
  establish();
  const Needle seed(alices().current()->sender_chain.message_seed().bytes());
  const CiphertextMessage late = from_alice("late");
  ASSERT_EQ(to_bob(from_alice("text")), "text");
  EXPECT_TRUE(seed.in_memory()) << "kept until it comes";
  ASSERT_EQ(to_bob(late), "late");
  EXPECT_FALSE(seed.in_memory());
}

// Break-in recovery has nothing to hold on to either: roots and private ratchet keys go.
TEST_F(Wipe, RootsAndRatchetKeysOfBefore) {
  establish();
  const Needle root(bobs().current()->root.bytes());
  const Needle ratchet(bobs().current()->ratchet.private_key.bytes());
  ASSERT_EQ(to_bob(from_alice("there")), "there");
  ASSERT_EQ(to_alice(from_bob("back")), "back");
  ASSERT_EQ(to_bob(from_alice("again")), "again");
  EXPECT_FALSE(root.in_memory());
  EXPECT_FALSE(ratchet.in_memory());
}

TEST_F(Wipe, AMessageThatIsRefusedLeavesNothing) {
  establish();
  const Needle seed(alices().current()->sender_chain.message_seed().bytes());
  CiphertextMessage message = from_alice("text");
  message.bytes.back() ^= 1;
  EXPECT_FALSE(to_bob(message));
  EXPECT_FALSE(seed.in_memory());
}

}  // namespace
}  // namespace godwit::crypto::signal
