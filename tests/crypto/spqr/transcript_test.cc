// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "crypto/signal/spqr/spqr.h"

// A conversation of Alice, who is ours, with libsignal 0.103.0, recorded where both could read
// every message; some were lost and some came late. Replayed, so that the agreement with libsignal
// is held where its package cannot be had. One line a step, keys by their first eight bytes:
//   key HEX | send KEY | receive MESSAGE KEY
// Alice's randomness is SeededRandom(1): another order of drawing from it needs another record.

namespace godwit::crypto::signal {
namespace {

std::string beginning(const Secret<32>& key) {
  return to_hex(Bytes(key.bytes()).first(8));
}

TEST(SpqrTranscript, EveryMessageHasTheKeyThatLibsignalHad) {
  std::ifstream file(GODWIT_SPQR_TRANSCRIPT);
  ASSERT_TRUE(file) << GODWIT_SPQR_TRANSCRIPT;
  SeededRandom random(1);
  std::optional<Spqr> alice;
  int sent = 0;
  int received = 0;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string step, hex, key;
    words >> step >> hex >> key;
    if (step == "key") {
      const auto bytes = from_hex(hex);
      ASSERT_TRUE(bytes && bytes->size() == 32);
      alice = Spqr::start(Secret<32>(std::span(*bytes).first<32>()), Role::alice);
    } else if (step == "send") {
      const auto made = alice->send(random);
      ASSERT_TRUE(made);
      ASSERT_EQ(beginning(made->key), hex) << "message " << sent;
      ++sent;
    } else {
      ASSERT_EQ(step, "receive");
      const auto message = from_hex(hex);
      ASSERT_TRUE(message);
      const auto got = alice->receive(*message);
      ASSERT_TRUE(got) << got.error().message;
      ASSERT_EQ(beginning(*got), key) << "message " << received;
      ++received;
    }
  }
  EXPECT_EQ(sent + received, 429);
  EXPECT_EQ(alice->epoch(), 4U);
}

}  // namespace
}  // namespace godwit::crypto::signal
