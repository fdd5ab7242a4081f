// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "tests/crypto/signal/device.h"

// Alice and Bob, who send to each other.

namespace godwit::crypto::signal::testing {

class SessionPair : public ::testing::Test {
 protected:
  CiphertextMessage from_alice(std::string_view text) {
    return alice.send(bob.address, text).value();
  }
  CiphertextMessage from_bob(std::string_view text) {
    return bob.send(alice.address, text).value();
  }
  Result<std::string> to_alice(const CiphertextMessage& message) {
    return alice.receive(bob.address, message);
  }
  Result<std::string> to_bob(const CiphertextMessage& message) {
    return bob.receive(alice.address, message);
  }
  SessionRecord& alices() { return alice.with(bob.address); }
  SessionRecord& bobs() { return bob.with(alice.address); }

  // A session that both have used.
  void establish() {
    ASSERT_TRUE(alice.open(bob.address, bob.bundle()));
    ASSERT_EQ(to_bob(from_alice("first")), "first");
    ASSERT_EQ(to_alice(from_bob("second")), "second");
  }

  Device alice{"alice@example.org", 1};
  Device bob{"bob@example.org", 2};
};

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  GODWIT_CHECK(!result.has_value());
  return result.error().code;
}

}  // namespace godwit::crypto::signal::testing
