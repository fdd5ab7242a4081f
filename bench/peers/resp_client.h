// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "bench/peers/peer_client.h"

// A client of a Redis server 6 or newer, in RESP3 (redis.io, "Redis serialization protocol"): only
// there may a connection that has subscribed publish too, so one connection does for both. HELLO 3,
// SUBSCRIBE to a channel of its own, PUBLISH to the partner's. The server's answer to a PUBLISH is
// how many it reached: anything but 1 is an error, and with it the message is settled, although
// the partner may still lose it. Not thread safe.

namespace godwit::bench {

class RespClient final : public PeerClient {
 public:
  explicit RespClient(const Ledger::Options& options);

  void write(unsigned messages) override;
  bool settled() const override { return answered_ == published_; }
  void ping() override { command({"PING"}); }
  unsigned pongs() const override { return pongs_; }

 private:
  // A value, flat: its type, its text if it is a string or a number, and of an aggregate the texts
  // of its members, as deep as needed here.
  struct Value {
    char type = 0;
    std::string_view text;
    std::vector<std::string_view> members;
    std::size_t size = 0;  // on the wire; 0: not whole
  };
  static Result<Value> read(std::string_view text, unsigned depth);
  static Result<Value> read_string(Value value, std::string_view text, std::size_t start);
  static Result<Value> read_members(Value value, std::string_view text, std::size_t start,
                                    unsigned depth);

  Result<std::size_t> next(std::string_view text) override;
  Result<void> on_push(const Value& value);
  void command(std::initializer_list<std::string_view> words);

  bool greeted_ = false;
  std::uint64_t published_ = 0;
  std::uint64_t answered_ = 0;
  unsigned pongs_ = 0;
};

}  // namespace godwit::bench
