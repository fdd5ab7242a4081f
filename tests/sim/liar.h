// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/aead.h"
#include "crypto/noise.h"
#include "dataplane/io/memory/memory_backend.h"
#include "protocol/stanza.h"
#include "tests/sim/trace.h"

// A device with true keys that keeps no rule: it names sequences it never saw, sends ids again, out
// of order or twice, floods, never reads, acknowledges too much or too little, says what only a
// gateway says, and breaks off at any byte. Nobody but itself may suffer from it.

namespace godwit::sim {

class Liar {
 public:
  struct Options {
    std::string domain;
    std::vector<std::string> users;  // to write to
    dataplane::io::MemoryNetwork& network;
    Trace& trace;
    const crypto::PublicKey& node_key;
    std::uint16_t number = 0;
    std::uint64_t seed = 0;
  };
  Liar(const Options& options, protocol::Jid jid, crypto::KeyPair key);

  std::size_t step(Now now);
  // Goes, for good.
  void leave();
  const protocol::Jid& jid() const { return jid_; }

  // The network's events.
  void on_open(ConnectionName name, bool);
  void on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease);
  void on_writable(ConnectionName, std::uint64_t) {}
  void on_closed(ConnectionName name, std::uint64_t, dataplane::io::CloseReason);

 private:
  enum class State : std::uint8_t { away, handshake, logged_in };
  void connect();
  void say_something();
  void say(Bytes plain);
  void write_stanza(ByteWriter& out);
  void send(Bytes bytes);

  const Options options_;
  const protocol::Jid jid_;
  const crypto::KeyPair key_;
  SeededRandom random_;
  dataplane::io::MemoryBackend backend_;
  State state_ = State::away;
  ConnectionName name_{};
  std::optional<crypto::NoiseHandshake> noise_;
  crypto::TransportKey send_key_;
  std::vector<std::uint8_t> input_;
  std::uint64_t last_id_ = 0;
  bool reads_ = true;
  bool gone_ = false;
};

}  // namespace godwit::sim
