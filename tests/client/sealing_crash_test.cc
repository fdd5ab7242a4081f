// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <tuple>

#include "client/envelope.h"
#include "client/sealing.h"
#include "tests/client/fake_directory.h"
#include "tests/client/temporary_home.h"

// Two devices that are killed, again and again and at any moment, while they encrypt to each other
// and read. Each life is a child process that tells through a pipe what left it: a message it was
// given, a message on the wire, how far it has read. What was told is kept; nothing comes twice;
// and no key of a ratchet is ever used for two messages.

namespace godwit::client::test {
namespace {

constexpr int rounds = 10;
const Now now{Instant{} + std::chrono::hours(1),
              WallTime(std::chrono::milliseconds(1'800'000'000'000))};

struct WireMessage {
  std::uint64_t id = 0;
  std::string payload;
};
using Wire = std::vector<WireMessage>;

protocol::Jid jid_of(const std::string& user, std::uint16_t device) {
  protocol::Jid jid;
  jid.user = user;
  jid.domain = "localhost";
  jid.device = device;
  return jid;
}

// One life of a device.
class Life {
 public:
  Life(const TemporaryHome& home, std::string user, std::string peer, FakeDirectory& directory,
       std::uint64_t seed)
      : user_(std::move(user)), peer_(std::move(peer)), directory_(directory), random_(seed) {
    auto opened = State::open(home.path());
    GODWIT_CHECK(opened.has_value());
    state = std::move(*opened);
    if (!state->load_identity().value()) {
      State::Identity identity;
      identity.jid = jid_of(user_, 1);
      identity.private_key = crypto::KeyPair::generate(random_).private_key.copy();
      GODWIT_CHECK(state->save_identity(identity).has_value());
    }
    sealing_ = std::make_unique<Sealing>(*state, random_);
    GODWIT_CHECK(sealing_->on_session(now).has_value());
    work();
  }

  void put(const std::string& text) {
    GODWIT_CHECK(sealing_->put(jid_of(peer_, 0), {&text, 1}).has_value());
  }

  void work() {
    do {
      const auto work = sealing_->work(now);
      GODWIT_CHECK(work.has_value() && work->unsendable.empty());
      for (const Question& question : work->questions) {
        const auto node = directory_.ask(jid_of(user_, 1), question, now.wall);
        GODWIT_CHECK(node && sealing_->on_answer(question.id, {}, *node, now).has_value());
      }
    } while (sealing_->deadline() == Instant{});
  }

  // The next of what came, at most `count`.
  void read(const Wire& wire, std::size_t count) {
    std::vector<State::Incoming> messages;
    const std::uint64_t done = state->last_sequence().value();
    for (std::size_t i = done; i < std::min(wire.size(), done + count); ++i) {
      messages.push_back({.from = peer_ + "@localhost/1",
                          .id = wire[i].id,
                          .sequence = i + 1,
                          .payload = wire[i].payload});
    }
    GODWIT_CHECK(sealing_->store(messages).has_value());
    work();
  }

  std::unique_ptr<State> state;

 private:
  std::string user_, peer_;
  FakeDirectory& directory_;
  SeededRandom random_;
  std::unique_ptr<Sealing> sealing_;
};

// What a life tells.
struct Told {
  enum class Kind : std::uint64_t { given, sent, read };
  Kind kind{};
  std::uint64_t number = 0;
  std::uint64_t payload_size = 0;  // which follows
};

void tell(int pipe, const Told& told, const std::string& payload = {}) {
  std::string bytes(reinterpret_cast<const char*>(&told), sizeof told);
  bytes += payload;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const ssize_t written = ::write(pipe, bytes.data() + at, bytes.size() - at);
    if (written <= 0) ::_exit(1);
    at += static_cast<std::size_t>(written);
  }
}

struct Side {
  std::string user;
  TemporaryHome home;
  Wire sent;                           // each id once, in order
  std::map<int, std::uint64_t> given;  // by round: how many texts were durably taken
  std::uint64_t read = 0;
  pid_t process = -1;
  int pipe = -1;
  std::string heard;
};

class SealingCrash : public ::testing::Test {
 protected:
  [[noreturn]] void live(Side& side, const Side& peer, int round, int pipe) {
    const auto seed = static_cast<std::uint64_t>(100 * round) + (side.user == "alice" ? 1 : 2);
    Life life(side.home, side.user, peer.user, directory, seed);
    std::uint64_t last = 0;
    for (std::uint64_t number = 0;; ++number) {
      life.put(text(side, round, number));
      tell(pipe, {Told::Kind::given, number + 1});
      life.work();
      const auto rows = life.state->read_outbox(last, 100).value();
      for (const State::Outgoing& row : rows) {
        tell(pipe, {Told::Kind::sent, row.id, row.payload.size()}, row.payload);
        last = row.id;
        // Some stay, and are sent again by the next life.
        if (row.id % 3 != 0) GODWIT_CHECK(life.state->erase_accepted({&row.id, 1}).has_value());
      }
      life.read(peer.sent, 2);
      tell(pipe, {Told::Kind::read, life.state->last_sequence().value()});
    }
  }

  void start(Side& side, const Side& peer, int round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    side.heard.clear();
    side.process = ::fork();
    ASSERT_GE(side.process, 0);
    if (side.process == 0) {
      ::close(ends[0]);
      live(side, peer, round, ends[1]);
    }
    ::close(ends[1]);
    side.pipe = ends[0];
  }

  // Reads what is there; false at the end.
  bool hear(Side& side) {
    char bytes[4096];
    const ssize_t got = ::read(side.pipe, bytes, sizeof bytes);
    if (got > 0) side.heard.append(bytes, static_cast<std::size_t>(got));
    return got > 0;
  }

  // Both until each has told more than `bytes`, and a random while longer.
  void listen(std::size_t bytes, std::uint64_t more_ms) {
    Side* const sides[] = {&alice, &bob};
    using Clock = std::chrono::steady_clock;
    auto end = Clock::now() + std::chrono::seconds(30);
    bool begun = false;
    while (Clock::now() < end) {
      pollfd polled[] = {{alice.pipe, POLLIN, 0}, {bob.pipe, POLLIN, 0}};
      ::poll(polled, 2, 1);
      for (std::size_t i = 0; i < 2; ++i) {
        if (polled[i].revents == 0) continue;
        ASSERT_TRUE(hear(*sides[i])) << "it ended by itself";
      }
      if (begun || alice.heard.size() <= bytes || bob.heard.size() <= bytes) continue;
      begun = true;
      end = Clock::now() + std::chrono::milliseconds(more_ms);
    }
    ASSERT_TRUE(begun);
  }

  void kill(Side& side) {
    ::kill(side.process, SIGKILL);
    while (hear(side)) {
    }
    ::close(side.pipe);
    int status = 0;
    ASSERT_EQ(::waitpid(side.process, &status, 0), side.process);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }

  // A record that the kill cut off was not told.
  void understand(Side& side, int round) {
    std::string_view rest = side.heard;
    while (rest.size() >= sizeof(Told)) {
      Told told;
      std::copy_n(rest.data(), sizeof told, reinterpret_cast<char*>(&told));
      if (rest.size() < sizeof told + told.payload_size) break;
      if (told.kind == Told::Kind::given) side.given[round] = told.number;
      if (told.kind == Told::Kind::read) side.read = told.number;
      if (told.kind == Told::Kind::sent) {
        take(side, {told.number, std::string(rest.substr(sizeof told, told.payload_size))});
      }
      rest.remove_prefix(sizeof told + told.payload_size);
    }
  }

  void take(Side& side, WireMessage message) {
    const auto known = std::ranges::find(side.sent, message.id, &WireMessage::id);
    if (known != side.sent.end()) {
      EXPECT_EQ(known->payload, message.payload) << "what is sent again is the same";
      ++repeated_;
      return;
    }
    EXPECT_GT(message.id, side.sent.empty() ? 0 : side.sent.back().id);
    look_at(side, message);
    side.sent.push_back(std::move(message));
  }

  // No ratchet key and counter come with another ciphertext.
  void look_at(const Side& side, const WireMessage& message) {
    using namespace crypto::signal;
    const auto payload = read_payload(as_bytes(message.payload));
    ASSERT_TRUE(payload);
    Bytes bytes = payload->bytes;
    Result<PreKeySignalMessage> prekey = std::unexpected(Error{});
    if (payload->kind == MessageKind::prekey) {
      prekey = PreKeySignalMessage::parse(bytes);
      ASSERT_TRUE(prekey);
      bytes = prekey->message;
    }
    const auto inner = SignalMessage::parse(bytes);
    ASSERT_TRUE(inner);
    EXPECT_TRUE(used_.insert({side.user, inner->ratchet_key, inner->counter}).second)
        << "a key of the ratchet was used again";
  }

  static std::string text(const Side& side, int round, std::uint64_t number) {
    return side.user + " " + std::to_string(round) + " " + std::to_string(number);
  }

  // As many texts as it has read, each where it must be.
  void check_inbox(const Side& side, const Side& from, State& state) {
    const auto inbox = state.read_inbox(100'000).value();
    EXPECT_EQ(inbox.size(), state.last_sequence().value()) << "lost or doubled";
    int round = 0;
    std::uint64_t number = 0;
    for (const State::Stored& stored : inbox) {
      EXPECT_FALSE(stored.message.notice) << stored.message.payload;
      while (stored.message.payload != text(from, round, number)) {
        ASSERT_GE(number, at(from.given, round)) << "lost: " << text(from, round, number);
        ASSERT_LE(++round, rounds) << side.user << " was shown " << stored.message.payload;
        number = 0;
      }
      ++number;
    }
  }

  static std::uint64_t at(const std::map<int, std::uint64_t>& given, int round) {
    const auto found = given.find(round);
    return found == given.end() ? 0 : found->second;
  }

  void finish(Life& life, Side& side, const Side& peer) {
    life.work();
    const auto rows = life.state->read_outbox(0, 100'000).value();
    for (const State::Outgoing& row : rows) {
      take(side, {row.id, row.payload});
    }
    while (life.state->last_sequence().value() < peer.sent.size()) life.read(peer.sent, 50);
  }

  FakeDirectory directory;
  Side alice{"alice"};
  Side bob{"bob"};
  std::size_t repeated_ = 0;

 private:
  std::set<std::tuple<std::string, crypto::PublicKey, std::uint32_t>> used_;
};

TEST_F(SealingCrash, KilledAtAnyMomentNothingIsLostDoubledOrEncryptedTwice) {
  {  // Their sessions: round 0 is this.
    Life first(alice.home, "alice", "bob", directory, 1);
    Life second(bob.home, "bob", "alice", directory, 2);
    first.put(text(alice, 0, 0));
    finish(first, alice, bob);
    finish(second, bob, alice);
    second.put(text(bob, 0, 0));
    finish(second, bob, alice);
    finish(first, alice, bob);
    alice.given[0] = bob.given[0] = 1;
  }
  SeededRandom dice(5);
  for (int round = 1; round <= rounds && !HasFatalFailure(); ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    start(alice, bob, round);
    start(bob, alice, round);
    // Every other round goes on until something was sent.
    listen(round % 2 == 0 ? 200 : 0, dice.below(60));
    for (Side* side : {&alice, &bob}) {
      kill(*side);
      understand(*side, round);
    }
    for (const auto& [side, peer] : {std::pair(&alice, &bob), std::pair(&bob, &alice)}) {
      const auto state = State::open(side->home.path());
      ASSERT_TRUE(state) << state.error().message;
      EXPECT_GE((*state)->last_sequence().value(), side->read);
      check_inbox(*side, *peer, **state);
    }
  }
  Life first(alice.home, "alice", "bob", directory, 10'001);
  Life second(bob.home, "bob", "alice", directory, 10'002);
  finish(first, alice, bob);
  finish(second, bob, alice);
  finish(first, alice, bob);
  check_inbox(alice, bob, *first.state);
  check_inbox(bob, alice, *second.state);
  EXPECT_EQ(first.state->last_sequence(), bob.sent.size());
  EXPECT_EQ(second.state->last_sequence(), alice.sent.size());
  std::uint64_t given = 0;
  for (const auto& [round, count] : alice.given) given += count;
  EXPECT_GE(alice.sent.size(), given);
  EXPECT_GT(given, unsigned{rounds}) << "each life was given one at least";
  EXPECT_GT(repeated_, 0u);
}

}  // namespace
}  // namespace godwit::client::test
