// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "client/load/channel.h"
#include "protocol/limits.h"
#include "protocol/stanza.h"

// One client of the load, without a socket: bytes in, bytes out. It does what a good client does
// and no more, so that thousands fit one core: it logs in with XXhfs, numbers its messages, checks
// that its partner's come once and in order, and acknowledges them in the frame that carries its
// next message.
//
// Against a bare relay, which the benchmarks put beside the gateway, the same class writes the same
// stanzas into the same frames; only the handshake and the login are missing, and the partner reads
// what the gateway would have read.
//
// Not thread safe.

namespace godwit::client::load {

inline constexpr std::size_t load_payload_size_min = 8;
inline constexpr std::size_t load_payload_size_max = 1024;

// What outlives a connection. Accounts 2n and 2n+1 talk to each other.
struct LoadAccount {
  std::uint32_t number = 0;
  std::string user;
  crypto::KeyPair identity;
  std::uint16_t device = 0;            // 0: not registered
  std::uint64_t last_sequence = 0;     // absolute, of what came
  std::uint64_t last_sent_id = 0;      // ids go up by one
  std::uint64_t last_received_id = 0;  // the partner's
};
// With keys of their own, not registered. Named by numbers from `first` on, as telephones have
// them, which the protocol packs.
std::vector<LoadAccount> make_accounts(std::size_t count, RandomSource& random,
                                       std::uint64_t first = 491'700'000'000);

// What both ends of a connection to a relay know beforehand, in place of a handshake.
struct RelaySession {
  std::vector<std::uint8_t> hello;  // the first bytes sent, before all frames
  crypto::TransportKey send;
  crypto::TransportKey receive;
};

class LoadClient {
 public:
  enum class Goal : std::uint8_t { register_account, log_in };  // the first logs in after it
  struct Options {
    Goal goal = Goal::log_in;
    LoadAccount& account;
    const std::string& partner;
    std::string_view domain;
    bool backlog = false;  // messages may wait for it
    protocol::HandshakePattern pattern = protocol::HandshakePattern::xx_hfs;
    Bytes payload;  // load_payload_size_min … max; the message's id replaces its first 8 bytes
  };

  LoadClient(const Options& options, RandomSource& random);
  // To a relay: at its goal from the start.
  LoadClient(const Options& options, RelaySession session);

  // What arrived, decrypted where it lies. Returns how many messages that was; an error says what
  // the server or the ledger got wrong and ends the client.
  Result<unsigned> on_bytes(MutableBytes bytes);

  // Seals one frame with so many messages and the acknowledgement that is due, if there is either.
  void write_frame(unsigned messages);

  // Seals one frame with a ping; how many were answered.
  void write_ping();
  unsigned pongs() const { return pongs_; }

  bool reached_goal() const { return reached_goal_; }
  // What the gateway said as it ended the session; 0 for nothing.
  std::uint32_t retry_after_ms() const { return retry_after_ms_; }
  bool ack_due() const { return acknowledged_ != received_; }
  // All messages sent have been settled: always so on a relay, which settles nothing.
  bool settled() const { return settled_ == number_ || relay_; }
  std::uint64_t frames_sent() const { return channel_.frames_sent(); }

  // Bytes to send: the caller moves them out.
  std::vector<std::uint8_t>& output() { return output_; }

 private:
  struct Reader;  // of one on_bytes()

  Result<unsigned> on_stanza(const protocol::RawStanza& stanza);
  Result<unsigned> on_message(Bytes content);
  Result<void> on_session_ready(Bytes content);
  void begin_session();
  void log_in();
  void seal(Bytes plain) { channel_.seal(plain, output_); }

  const Options options_;
  const bool relay_ = false;
  std::vector<std::uint8_t> output_;
  LoadChannel channel_;  // behind output_, in which it begins
  std::uint64_t sequence_base_ = 0;
  std::uint64_t received_ = 0;      // relative sequence
  std::uint64_t acknowledged_ = 0;  // the same, told
  std::uint64_t number_ = 0;
  std::uint64_t settled_ = 0;
  std::uint32_t retry_after_ms_ = 0;
  unsigned pings_ = 0;
  unsigned pongs_ = 0;
  bool reached_goal_ = false;
};

}  // namespace godwit::client::load
