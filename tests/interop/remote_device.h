// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/crypto/signal/device.h"
#include "tests/interop/peer.h"

// A device that libsignal plays, with our types around it.

namespace godwit::interop {

// Skips the test when the peer cannot be had.
class InteropTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = Peer::missing(); !why.empty()) GTEST_SKIP() << why;
    peer = std::make_unique<Peer>();
  }

  std::unique_ptr<Peer> peer;
};

class RemoteDevice {
 public:
  RemoteDevice(Peer& peer, const std::string& name, std::uint32_t registration_id = 4711);

  const crypto::signal::ProtocolAddress& address() const { return address_; }
  crypto::PublicKey identity();

  crypto::signal::PreKeyBundle bundle(bool one_time);
  Result<void> open(const crypto::signal::ProtocolAddress& them,
                    const crypto::signal::PreKeyBundle& theirs);
  Result<crypto::signal::CiphertextMessage> send(const crypto::signal::ProtocolAddress& them,
                                                 std::string_view text);
  Result<std::string> receive(const crypto::signal::ProtocolAddress& them,
                              const crypto::signal::CiphertextMessage& message);
  void archive(const crypto::signal::ProtocolAddress& them);

  // Any other command of the peer for this device. Errors: refused, with the peer's words.
  Result<nlohmann::json> ask(nlohmann::json command);

 private:
  Peer& peer_;
  crypto::signal::ProtocolAddress address_;
};

}  // namespace godwit::interop
