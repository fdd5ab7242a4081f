// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/random.h"
#include "client/state.h"
#include "tests/client/temporary_home.h"

// What a device keeps when it dies, or its disk does. The dying is done by child processes that are
// killed, so that nothing is closed or flushed.

namespace godwit::client::test {
namespace {

std::unique_ptr<State> open_state(const TemporaryHome& home) {
  auto opened = State::open(home.path());
  if (!opened) return nullptr;
  return std::move(*opened);
}

// Runs `work` in a child that is killed at its end, without destructors.
void run_and_die(const std::function<void()>& work) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// All that a State knows.
std::string contents(State& state) {
  std::string all = "last " + std::to_string(state.last_sequence().value());
  const auto identity = state.load_identity().value();
  const auto outbox = state.read_outbox(0, 100).value();
  const auto inbox = state.read_inbox(100).value();
  all += identity ? " as " + protocol::to_text(identity->jid) : " as nobody";
  for (const auto& message : outbox) {
    all += " out " + std::to_string(message.id) + message.to + message.payload;
  }
  for (const auto& stored : inbox) {
    all += " in " + stored.message.from + stored.message.payload;
  }
  return all;
}

using Step = bool (*)(State&);
const Step steps[] = {
    [](State& state) {
      State::Identity identity;
      identity.jid.user = "alice";
      identity.jid.domain = "localhost";
      SeededRandom random(1);
      identity.private_key = crypto::KeyPair::generate(random).private_key.copy();
      return state.save_identity(identity).has_value();
    },
    [](State& state) {
      const std::string texts[] = {"one", "two", "three"};
      return state.append_outbox("bob@localhost", texts).has_value();
    },
    [](State& state) {
      const std::uint64_t ids[] = {1, 2};
      return state.erase_accepted(ids).has_value();
    },
    [](State& state) {
      const State::Incoming messages[] = {{"bob@localhost/1", 1, 100, 0, "first"},
                                          {"bob@localhost/1", 2, 101, 0, "second"}};
      return state.store(messages) == 2u;
    },
    [](State& state) { return state.erase_inbox(state.read_inbox(1)->front().row).has_value(); },
    [](State& state) { return state.erase_refused(3).has_value(); },
    [](State& state) {
      const State::Incoming messages[] = {{"bob@localhost/1", 2, 102, 0, "second"},
                                          {"bob@localhost/1", 3, 103, 0, "third"}};
      return state.store(messages) == 1u;
    },
    [](State& state) {
      const std::string texts[] = {"four"};
      return state.append_outbox("bob@localhost", texts) == 4u;
    },
};

TEST(StateCrash, DeathBetweenAnyTwoStepsLosesNothing) {
  TemporaryHome undisturbed;
  const auto model = open_state(undisturbed);
  ASSERT_NE(model, nullptr);
  TemporaryHome home;
  for (std::size_t i = 0; i < std::size(steps); ++i) {
    ASSERT_TRUE(steps[i](*model));
    run_and_die([&] {
      const auto state = open_state(home);
      // A step that fails shows as a difference below.
      if (state) (void)steps[i](*state);
    });
    const auto state = open_state(home);
    ASSERT_NE(state, nullptr) << "the lock went with the process";
    EXPECT_EQ(contents(*state), contents(*model)) << "after step " << i;
  }
}

TEST(StateCrash, DroppingTheObjectIsAsGoodAsAnEnd) {
  TemporaryHome undisturbed;
  const auto model = open_state(undisturbed);
  TemporaryHome home;
  for (const Step step : steps) {
    ASSERT_TRUE(step(*model));
    auto state = open_state(home);
    ASSERT_TRUE(step(*state));
    state.reset();
    state = open_state(home);
    EXPECT_EQ(contents(*state), contents(*model));
  }
}

// A child appends and tells each id through a pipe until it is killed at some moment; what was told
// is there, and there are no gaps.
TEST(StateCrash, WhatAnIdWasReturnedForSurvivesAKillAtAnyMoment) {
  TemporaryHome home;
  SeededRandom dice(11);
  std::uint64_t last_told = 0;
  for (int round = 0; round < 8; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto state = open_state(home);
      const std::string texts[] = {"a", std::string(3000, 'b')};
      for (int i = 0; state && i < 100'000; ++i) {
        const auto first = state->append_outbox("bob@localhost", texts);
        if (!first) break;
        const std::uint64_t last = *first + 1;
        if (::write(ends[1], &last, sizeof last) != sizeof last) break;
      }
      ::_exit(1);
    }
    ::close(ends[1]);
    std::uint64_t told = 0;
    ASSERT_EQ(::read(ends[0], &told, sizeof told), ssize_t{sizeof told}) << "it never began";
    ::usleep(static_cast<useconds_t>(dice.below(20'000)));
    ::kill(child, SIGKILL);
    last_told = told;
    while (::read(ends[0], &told, sizeof told) == ssize_t{sizeof told}) last_told = told;
    ::close(ends[0]);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const auto state = open_state(home);
    ASSERT_NE(state, nullptr);
    const std::uint64_t kept = state->outbox_size().value();
    EXPECT_GE(kept, last_told);
    EXPECT_EQ(kept % 2, 0u) << "a call's messages are there together";
    const auto newest = state->read_outbox(kept - 1, 10).value();
    ASSERT_EQ(newest.size(), 1u);
    EXPECT_EQ(newest.front().id, kept) << "without a gap";
  }
}

TEST(StateCrash, LockOfAnotherProcess) {
  TemporaryHome home;
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto state = open_state(home);
    const char opened = state ? 'y' : 'n';
    (void)!::write(ends[1], &opened, 1);
    ::sleep(30);
    ::_exit(0);
  }
  char opened = 0;
  ASSERT_EQ(::read(ends[0], &opened, 1), 1);
  EXPECT_EQ(opened, 'y');
  const auto refused = State::open(home.path());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  EXPECT_NE(refused.error().message.find("another --home"), std::string::npos);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_NE(open_state(home), nullptr) << "it died and let go";
  ::close(ends[0]);
  ::close(ends[1]);
}

// Writing past a file size limit fails as a full or broken disk does.
class WithoutDisk {
 public:
  explicit WithoutDisk(rlim_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit now{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &now);
  }
  ~WithoutDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

TEST(StateCrash, FailedWriteChangesNothingAndTheStateGoesOn) {
  TemporaryHome home;
  auto state = open_state(home);
  ASSERT_NE(state, nullptr);
  for (const Step step : steps) ASSERT_TRUE(step(*state));
  const std::string before = contents(*state);
  const std::vector<std::string> large(20, std::string(60'000, 'x'));
  const State::Incoming received[] = {{"carol@localhost/1", 1, 500, 0, "small"},
                                      {"carol@localhost/1", 2, 501, 0, std::string(600'000, 'x')}};
  {
    const WithoutDisk limit(300'000);
    const auto appended = state->append_outbox("bob@localhost", large);
    ASSERT_FALSE(appended.has_value());
    EXPECT_NE(appended.error().message.find("state.db"), std::string::npos)
        << appended.error().message;
    EXPECT_FALSE(state->store(received).has_value());
  }
  EXPECT_EQ(contents(*state), before);
  EXPECT_EQ(state->store(received), 2u);
  EXPECT_EQ(state->append_outbox("bob@localhost", large), 5u);
  state.reset();
  state = open_state(home);
  EXPECT_EQ(state->last_sequence(), 501u);
  EXPECT_EQ(state->outbox_size().value(), 21u);
}

}  // namespace
}  // namespace godwit::client::test
