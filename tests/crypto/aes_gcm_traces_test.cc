// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/cipher.h"
#include "crypto/constant_time.h"

// What sealing and opening leave on the stack: no key, round key or power of the hash key, from a
// key that is expanded for one call or from one that lies elsewhere. The stack is looked at from
// below the caller, as it was left.

namespace godwit::crypto {
namespace {

constexpr std::size_t depth = 64 * 1024;

// The stack below whoever calls this, copied before anything else is called.
[[gnu::noinline]] void copy_stack(std::vector<std::uint8_t>& to) {
  const auto* const here = static_cast<const std::uint8_t*>(__builtin_frame_address(0));
  const std::uint8_t* const from = here - to.size();
  for (std::size_t i = 0; i < to.size(); ++i) {
    to[i] = *const_cast<const volatile std::uint8_t*>(from + i);
  }
}

// Overwritten, so that what is found was left by what ran in between.
[[gnu::noinline]] void clear_stack() {
  std::uint8_t area[depth];
  sodium_memzero(area, sizeof area);
}

class AesGcmTraces : public ::testing::Test {
 protected:
  AesGcmTraces() {
    SeededRandom random(9);
    random.fill(key_.writable());
    random.fill(text_);
    if (cpu_has_aes_gcm()) aes_gcm::fastest()->expand(key_.data(), *expanded_);
  }

  template <typename Function>
  void run(Function function) {
    clear_stack();
    function();
    copy_stack(stack_);
  }

  // How many of the 16-byte secrets of the expanded key are on the stack.
  std::size_t found() const {
    std::size_t count = 0;
    for (const auto& round : expanded_->round) count += is_on_stack(round);
    for (const auto& power : expanded_->power) count += is_on_stack(power);
    return count;
  }
  bool is_on_stack(Bytes secret) const { return !std::ranges::search(stack_, secret).empty(); }

  Secret<32> key_;
  const AeadNonce nonce_{};
  std::array<std::uint8_t, 1000> text_;
  std::array<std::uint8_t, 1000 + aead_tag_size> sealed_{};
  // Not on the stack.
  std::unique_ptr<Wiped<aes_gcm::ExpandedKey>> holder_ =
      std::make_unique<Wiped<aes_gcm::ExpandedKey>>();
  Wiped<aes_gcm::ExpandedKey>& expanded_ = *holder_;
  std::vector<std::uint8_t> stack_ = std::vector<std::uint8_t>(depth / 2);
};

TEST_F(AesGcmTraces, AreFoundWhereTheyWereLeft) {
  if (!cpu_has_aes_gcm()) GTEST_SKIP() << "this CPU has no AES";
  run([&]() __attribute__((noinline)) {
    aes_gcm::ExpandedKey left_behind;
    aes_gcm::fastest()->expand(key_.data(), left_behind);
  });
  EXPECT_EQ(found(), aes_gcm::ExpandedKey::rounds + 1 + aes_gcm::ExpandedKey::powers);
}

TEST_F(AesGcmTraces, OfAKeyExpandedForOneCall) {
  if (!cpu_has_aes_gcm()) GTEST_SKIP() << "this CPU has no AES";
  for (const std::size_t size : {0, 20, 60, 120, 1000}) {
    const Bytes text = Bytes(text_).first(size);
    const MutableBytes sealed = MutableBytes(sealed_).first(size + aead_tag_size);
    run([&] { cipher_seal(AeadKind::aes_256_gcm, {key_, nonce_, text_, text, sealed}); });
    EXPECT_EQ(found(), 0) << size;
    bool opened = false;
    run([&] { opened = cipher_open(AeadKind::aes_256_gcm, {key_, nonce_, text_, sealed, text_}); });
    EXPECT_EQ(found(), 0) << size;
  }
}

#ifdef __OPTIMIZE__  // else every variable is on the stack
TEST_F(AesGcmTraces, OfAKeyThatIsKept) {
  if (!cpu_has_aes_gcm()) GTEST_SKIP() << "this CPU has no AES";
  std::vector<const aes_gcm::Functions*> all{&aes_gcm::on_128_bits};
  if (aes_gcm::fastest() != all[0]) all.push_back(aes_gcm::fastest());
  for (const aes_gcm::Functions* functions : all) {
    for (const std::size_t size : {0, 20, 60, 120, 1000}) {
      const CipherCall call{key_, nonce_, text_, Bytes(text_).first(size), sealed_};
      run([&] { functions->seal(aes_gcm_call(*expanded_, call, size)); });
      EXPECT_EQ(found(), 0) << size;
      const CipherCall back{key_, nonce_, text_, sealed_, text_};
      run([&] { static_cast<void>(functions->decrypt(aes_gcm_call(*expanded_, back, size))); });
      EXPECT_EQ(found(), 0) << size;
    }
  }
}
#endif

}  // namespace
}  // namespace godwit::crypto
