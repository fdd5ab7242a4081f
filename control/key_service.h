// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "control/account_store.h"
#include "control/control_metrics.h"
#include "control/key_directory.h"
#include "queues/buffer.h"
#include "queues/command.h"
#include "queues/records.h"

// What devices ask the key directory, answered: who may ask whom, and who is told of what. All
// questions of a turn share one transaction, and are answered once it is durable.
//
// Notices (keys run low, an identity has changed) go to whoever is connected and are not kept: a
// device asks for its own count when it connects, and sees a new identity when it next sends.
//
// Thread safety: control's thread.

namespace godwit::control {

class KeyService {
 public:
  struct Options {
    std::string domain;
    AccountStore& accounts;
    KeyDirectory& directory;
    queues::BufferPool& pool;
    ControlCounters& counters;
    std::function<std::uint64_t(std::string_view user)> hash_user;
    std::function<unsigned(std::uint64_t hash)> home_shard;
    // Tells an account's home what the account is now.
    std::function<void(const std::string& user)> announce;
    // Where answers and notices go; there is room for as many answers as there were questions.
    std::function<void(unsigned shard, const queues::Command& command)> post;
  };
  // Notices that wait for room; past it the oldest go.
  static constexpr std::size_t notices_max = 100'000;

  explicit KeyService(Options options) : options_(std::move(options)) {}
  ~KeyService();
  KeyService(const KeyService&) = delete;
  KeyService& operator=(const KeyService&) = delete;

  static bool is_for(const queues::ServerIq& iq, std::string_view domain);
  // False, and nothing done, when there is no memory to answer with.
  bool ask(const queues::ServerIq& iq, const queues::Command& command, WallTime now);
  // Ends the turn: makes it durable, answers. Returns how many it answered.
  std::size_t finish();
  // Posts at most `most` of the notices that wait; returns how many.
  std::size_t send_notices(std::size_t most);
  bool notices_waiting() const { return !notices_.empty(); }

 private:
  using Condition = protocol::Condition;
  struct Answer {
    unsigned shard = 0;
    queues::Command command{};
    std::uint64_t iq = 0;
  };
  struct Notice {
    std::string user;
    std::uint16_t device = 0;  // 0: all of the account's
    std::string about;         // user of a changed identity; empty: keys run low
    std::uint16_t about_device = 0;
    protocol::PrekeyCount left;
  };
  // Writes the element of a result. An error is the disk's.
  using Reply = Result<std::expected<void, Condition>>;
  Reply answer(const queues::ServerIq& iq, const queues::Command& command, WallTime now,
               ByteWriter& out);
  Reply upload(const Account& asker, const queues::Command& command,
               const protocol::PrekeyUpload& upload, WallTime now);
  Reply devices(const Account& target, ByteWriter& out);
  Reply bundle(const Account& asker, const Account& target, std::uint16_t device, WallTime now,
               ByteWriter& out);
  void write_error(Answer& answer, Condition condition);

  Options options_;
  std::vector<Answer> answers_;
  std::vector<Notice> new_notices_;      // of this turn, once it is durable
  std::set<std::string> lists_changed_;  // users of this turn
  std::deque<Notice> notices_;
  std::uint64_t notices_sent_ = 0;
  bool in_batch_ = false;
  bool failed_ = false;
};

}  // namespace godwit::control
