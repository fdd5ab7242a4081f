// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/sealing.h"
#include "tests/client/fake_directory.h"
#include "tests/client/temporary_home.h"

// A device that encrypts and reads, by way of a directory in memory and without a connection: what
// would go over one is handed on by the test.

namespace godwit::client::test {

class Device {
 public:
  Device(FakeDirectory& directory, const std::string& user, std::uint16_t number,
         std::uint64_t seed)
      : directory_(directory), random_(seed) {
    jid_.user = user;
    jid_.domain = "localhost";
    jid_.device = number;
    open();
    State::Identity identity;
    identity.jid = jid_;
    identity.private_key = crypto::KeyPair::generate(random_).private_key.copy();
    EXPECT_TRUE(state->save_identity(identity));
    begin();
  }

  std::string name() const { return protocol::to_text(jid_); }

  // As a new process: only what is in the folder is left.
  void open() {
    sealing.reset();
    state.reset();
    auto opened = State::open(home_.path());
    ASSERT_TRUE(opened) << opened.error().message;
    state = std::move(*opened);
    sealing = std::make_unique<Sealing>(*state, random_);
  }
  void begin() {
    ASSERT_TRUE(sealing->on_session(now));
    work();
  }
  void reopen() {
    open();
    begin();
  }
  // Until there is nothing to do.
  void work() {
    for (int turn = 0; turn < 100; ++turn) {
      auto work = sealing->work(now);
      ASSERT_TRUE(work.has_value()) << work.error().message;
      for (const Unsendable& one : work->unsendable) unsendable.push_back(one.why);
      accepted.insert(accepted.end(), work->accepted.begin(), work->accepted.end());
      for (const Question& question : work->questions) {
        const auto answer = directory_.ask(jid_, question, now.wall);
        const auto condition =
            answer ? std::nullopt : std::optional<protocol::Condition>(answer.error());
        ASSERT_TRUE(
            sealing->on_answer(question.id, condition, answer ? Bytes(*answer) : Bytes{}, now));
      }
      if (sealing->deadline() != Instant{}) return;
    }
    FAIL() << "it never ends";
  }
  std::uint64_t send(const std::string& user, const std::string& text) {
    protocol::Jid to;
    to.user = user;
    to.domain = "localhost";
    const auto id = sealing->put(to, {&text, 1});
    EXPECT_TRUE(id.has_value());
    work();
    return id.value_or(0);
  }
  // What is to go to this device, taken out as accepted.
  std::vector<State::Outgoing> take(const Device& to) {
    std::vector<State::Outgoing> taken;
    const auto outbox = state->read_outbox(0, 1000);
    EXPECT_TRUE(outbox.has_value());
    for (const State::Outgoing& row : *outbox) {
      if (row.to != to.name()) continue;
      taken.push_back(row);
      EXPECT_TRUE(state->erase_accepted({&row.id, 1}));
    }
    return taken;
  }
  void receive(const Device& from, const std::vector<State::Outgoing>& rows) {
    for (const State::Outgoing& row : rows) {
      const State::Incoming message{
          .from = from.name(), .id = row.id, .sequence = ++sequence_, .payload = row.payload};
      const auto stored = sealing->store({&message, 1});
      ASSERT_TRUE(stored.has_value()) << stored.error().message;
    }
    work();
  }
  void receive(Device& from) { receive(from, from.take(*this)); }

  std::vector<std::string> inbox() { return shown(false); }
  std::vector<std::string> notices() { return shown(true); }

  Now now{Instant{} + std::chrono::hours(1),
          WallTime(std::chrono::milliseconds(1'800'000'000'000))};
  std::unique_ptr<State> state;
  std::unique_ptr<Sealing> sealing;
  std::vector<std::string> unsendable;
  std::vector<std::uint64_t> accepted;  // by the sealer

 private:
  std::vector<std::string> shown(bool notices) {
    std::vector<std::string> texts;
    const auto rows = state->read_inbox(1000);
    EXPECT_TRUE(rows.has_value());
    for (const auto& row : *rows) {
      if (row.message.notice == notices) texts.push_back(row.message.payload);
    }
    return texts;
  }

  FakeDirectory& directory_;
  TemporaryHome home_{TemporaryHome::Where::in_memory};  // the disk's time is not what is tested
  SeededRandom random_;
  protocol::Jid jid_;
  std::uint64_t sequence_ = 0;
};

}  // namespace godwit::client::test
