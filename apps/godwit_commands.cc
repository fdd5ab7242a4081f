// SPDX-License-Identifier: Apache-2.0
#include "apps/godwit_commands.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "apps/line_input.h"
#include "apps/message_line.h"
#include "apps/qr_code.h"
#include "client/client.h"
#include "client/envelope.h"
#include "client/safety.h"

namespace godwit::apps {

using client::Client;
using client::ClientEvents;

namespace {

constexpr auto register_timeout = std::chrono::seconds(20);
// Messages of one call that wait for their answer; past it standard input waits.
constexpr std::size_t open_max = 4096;

int complain(const std::string& message, int code = 1) {
  std::cerr << "godwit: " << message << "\n";
  return code;
}

std::optional<crypto::OperatorPublicKey> read_operator_key(const std::string& text) {
  const auto bytes = from_hex(text);
  crypto::OperatorPublicKey key;
  if (!bytes || bytes->size() != key.size()) return std::nullopt;
  std::ranges::copy(*bytes, key.begin());
  return key;
}

bool write_line(const std::string& line) {
  return std::fwrite(line.data(), 1, line.size(), stdout) == line.size() &&
         std::fputc('\n', stdout) != EOF && std::fflush(stdout) == 0;
}

// Prints what the inbox holds, at most `limit`, each taken out once it is flushed.
Result<std::uint64_t> print_inbox(Client& client, std::uint64_t limit, bool json) {
  std::uint64_t printed = 0;
  while (printed < limit) {
    const auto messages = client.state().read_inbox(std::min<std::uint64_t>(limit - printed, 256));
    if (!messages) return std::unexpected(messages.error());
    if (messages->empty()) break;
    for (const auto& stored : *messages) {
      if (stored.message.notice) {
        std::cerr << "godwit: " << text_line(stored.message) << std::endl;
      } else if (!write_line(json ? json_line(stored.message) : text_line(stored.message))) {
        return fail(ErrorCode::io, "cannot write to standard output");
      }
      if (auto erased = client.state().erase_inbox(stored.row); !erased) {
        return std::unexpected(erased.error());
      }
      if (!stored.message.notice) ++printed;
    }
  }
  return printed;
}

struct Opened {
  SystemRandom random;
  std::unique_ptr<Client> client;
};

// The client of a registered device, or the exit code.
std::expected<std::unique_ptr<Opened>, int> open_registered(const std::string& home,
                                                            ClientEvents events) {
  auto opened = std::make_unique<Opened>();
  auto client = Client::open(home, opened->random, std::move(events));
  if (!client) return std::unexpected(complain(client.error().message));
  opened->client = std::move(*client);
  if (!opened->client->is_registered()) {
    return std::unexpected(complain("no account in " + home + "; run godwit --home " + home +
                                    " register USER@DOMAIN --server HOST:PORT first"));
  }
  return opened;
}

}  // namespace

int run_register(const std::string& home, const RegisterWords& words) {
  const auto jid = protocol::parse_jid(words.account);
  if (!jid) return complain(jid.error().message, 2);
  if (jid->device != 0)
    return complain("give user@domain without a device; the gateway chooses it", 2);
  client::Registration registration{.jid = *jid, .server = words.server, .invite = words.invite};
  if (!words.operator_key.empty()) {
    registration.operator_key = read_operator_key(words.operator_key);
    if (!registration.operator_key)
      return complain("--operator-key takes 64 hexadecimal digits", 2);
  }
  bool ready = false;
  std::uint16_t device = 0;
  ClientEvents events;
  events.registered = [&](std::uint16_t number) { device = number; };
  events.trusted = [&](const crypto::OperatorPublicKey& key) {
    if (!registration.operator_key) {
      std::cout << "trusting operator key " << to_hex(key) << " from now on" << std::endl;
    }
  };
  events.backlog_ended = [&] { ready = true; };
  SystemRandom random;
  auto client = Client::open(home, random, events);
  if (!client) return complain(client.error().message);
  if (auto asked = (*client)->register_device(registration); !asked) {
    return complain(asked.error().message, asked.error().code == ErrorCode::invalid ? 2 : 1);
  }
  // With its keys at the gateway others can write to it while it is away.
  const auto done = (*client)->run([&] { return ready && (*client)->keys_published(); },
                                   monotonic_now() + register_timeout);
  if (!done) return complain(done.error().message);
  if (!*done) {
    return complain((*client)->trouble().empty() ? "the gateway does not take this device's keys"
                                                 : (*client)->trouble());
  }
  (*client)->close();
  std::cout << "registered " << words.account << "/" << device << std::endl;
  return 0;
}

namespace {

// The messages of one call of send, printed in the order given as they are accepted.
class SendReport {
 public:
  void add(std::uint64_t first, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) waiting_.emplace(first + i, Fate::open);
  }
  void accepted(std::uint64_t id) { settle(id, Fate::accepted); }
  void refused(std::uint64_t id, const std::string& why) {
    complain("message " + std::to_string(id) + " refused: " + why);
    any_refused_ = any_refused_ || waiting_.contains(id);
    settle(id, Fate::refused);
  }
  std::size_t open() const { return waiting_.size(); }
  bool any_refused() const { return any_refused_; }
  bool written() const { return written_; }
  std::uint64_t progress() const { return progress_; }

 private:
  enum class Fate { open, accepted, refused };
  void settle(std::uint64_t id, Fate fate) {
    ++progress_;
    if (const auto found = waiting_.find(id); found != waiting_.end()) found->second = fate;
    while (!waiting_.empty() && waiting_.begin()->second != Fate::open) {
      if (waiting_.begin()->second == Fate::accepted) {
        written_ = write_line(std::to_string(waiting_.begin()->first) + " accepted") && written_;
      }
      waiting_.erase(waiting_.begin());
    }
  }

  std::map<std::uint64_t, Fate> waiting_;
  std::uint64_t progress_ = 0;
  bool any_refused_ = false;
  bool written_ = true;
};

// Takes out the lines that are too long for a message and complains of each; false when there was
// one.
bool drop_long_lines(std::vector<std::string>& lines) {
  const auto dropped = std::erase_if(
      lines, [](const std::string& line) { return line.size() > client::text_size_max; });
  for (std::size_t i = 0; i < dropped; ++i) {
    complain("a line was not sent: a message has at most " + std::to_string(client::text_size_max) +
             " bytes");
  }
  return dropped == 0;
}

// Drives a client and a line input together: one turn, waiting at most until `until`, and not at
// all once `done`.
Result<std::vector<std::string>> step(
    Client& client, LineInput* input, Instant until,
    const std::function<bool()>& done = [] { return false; }) {
  const Now now = read_clocks();
  if (auto advanced = client.advance(now); !advanced) return std::unexpected(advanced.error());
  if (done()) return std::vector<std::string>{};
  const Instant next = std::min(client.deadline(), until);
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - monotonic_now());
  pollfd ready[2] = {{.fd = client.descriptor(), .events = POLLIN, .revents = 0},
                     {.fd = input != nullptr && !input->at_end() ? input->descriptor() : -1,
                      .events = POLLIN,
                      .revents = 0}};
  if (client.wants_write()) ready[0].events |= POLLOUT;
  ::poll(ready, 2, static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 1000)));
  if (input == nullptr || ready[1].revents == 0) return std::vector<std::string>{};
  return input->read_some();
}

}  // namespace

int run_send(const std::string& home, const SendWords& words) {
  const auto to = protocol::parse_jid(words.account);
  if (!to) return complain(to.error().message, 2);
  SendReport report;
  ClientEvents events;
  events.accepted = [&](std::uint64_t id) { report.accepted(id); };
  events.refused = [&](std::uint64_t id, const std::string& why) { report.refused(id, why); };
  auto opened = open_registered(home, events);
  if (!opened) return opened.error();
  Client& client = *(*opened)->client;

  LineInput input({.descriptor = STDIN_FILENO, .size_max = client::text_size_max});
  bool all_sent = true;
  const bool reading = words.text == "-";
  const auto queue = [&](std::span<const std::string> texts) -> Result<void> {
    if (texts.empty()) return {};
    const auto first = client.send(*to, texts);
    if (!first) return std::unexpected(first.error());
    report.add(*first, texts.size());
    return {};
  };
  if (!reading) {
    if (auto queued = queue({&words.text, 1}); !queued) return complain(queued.error().message);
  }
  const auto patience = std::chrono::seconds(words.timeout_s);
  Instant give_up = monotonic_now() + patience;
  std::uint64_t progress = 0;
  const auto all_done = [&] {
    return (!reading || input.at_end()) && report.open() == 0 && client.outbox_empty();
  };
  while (!all_done()) {
    auto lines =
        step(client, reading && report.open() < open_max ? &input : nullptr, give_up, all_done);
    if (!lines) return complain(lines.error().message);
    if (!report.written()) return complain("cannot write to standard output");
    all_sent = drop_long_lines(*lines) && all_sent;
    if (auto queued = queue(*lines); !queued) return complain(queued.error().message);
    const bool moved =
        report.progress() != std::exchange(progress, report.progress()) || !lines->empty();
    // Waiting for more input is no failure while all so far is accepted.
    if (moved || client.outbox_empty()) give_up = monotonic_now() + patience;
    if (monotonic_now() >= give_up) {
      return complain(
          "not all accepted: " +
          (client.trouble().empty() ? "the gateway does not answer" : client.trouble()) +
          "; what is left will be sent first by the next call");
    }
  }
  client.close();
  return report.any_refused() || !all_sent ? 1 : 0;
}

int run_receive(const std::string& home, const ReceiveWords& words) {
  bool backlog_ended = false;
  ClientEvents events;
  events.backlog_ended = [&] { backlog_ended = true; };
  auto opened = open_registered(home, events);
  if (!opened) return opened.error();
  Client& client = *(*opened)->client;
  const std::uint64_t limit = words.count > 0 ? words.count : UINT64_MAX;
  // Without any word of when to end: once all that waited is printed, or the gateway cannot be
  // reached for a while.
  const bool until_backlog = words.count == 0 && words.timeout_s < 0 && !words.follow;
  const bool timed = words.timeout_s >= 0;
  const auto patience = std::chrono::seconds(timed ? words.timeout_s : 10);
  // Nothing new can be told from nothing yet once the backlog is here; until then even --timeout 0
  // waits a moment.
  const auto patience_first = std::max(patience, std::chrono::seconds(1));
  std::uint64_t printed = 0;
  Instant last_new = monotonic_now();
  for (;;) {
    const auto more = print_inbox(client, limit - printed, words.json);
    if (!more) return complain(more.error().message);
    printed += *more;
    if (*more > 0) last_new = monotonic_now();
    if (printed >= limit || (until_backlog && backlog_ended)) break;
    const Instant give_up =
        timed || until_backlog ? last_new + (backlog_ended ? patience : patience_first) : never;
    if (monotonic_now() >= give_up) {
      if (!client.trouble().empty()) return complain(client.trouble());
      break;
    }
    const Instant until = std::min(give_up, monotonic_now() + std::chrono::seconds(1));
    auto stepped = step(client, nullptr, until);
    if (!stepped) return complain(stepped.error().message);
  }
  client.close();
  return 0;
}

int run_chat(const std::string& home, const std::string& account) {
  const auto to = protocol::parse_jid(account);
  if (!to) return complain(to.error().message, 2);
  ClientEvents events;
  events.refused = [](std::uint64_t id, const std::string& why) {
    complain("message " + std::to_string(id) + " refused: " + why);
  };
  auto opened = open_registered(home, events);
  if (!opened) return opened.error();
  Client& client = *(*opened)->client;
  LineInput input({.descriptor = STDIN_FILENO, .size_max = client::text_size_max});
  Instant give_up = never;
  while (!input.at_end() || !client.outbox_empty()) {
    if (input.at_end() && give_up == never) give_up = monotonic_now() + std::chrono::seconds(30);
    if (monotonic_now() >= give_up) return complain("not all accepted: " + client.trouble());
    auto lines = step(client, &input, monotonic_now() + std::chrono::seconds(1));
    if (!lines) return complain(lines.error().message);
    drop_long_lines(*lines);
    if (!lines->empty()) {
      if (auto queued = client.send(*to, *lines); !queued) return complain(queued.error().message);
    }
    const auto printed = print_inbox(client, UINT64_MAX, false);
    if (!printed) return complain(printed.error().message);
  }
  client.close();
  return 0;
}

namespace {

std::string_view to_text(client::Vault::Trust trust) {
  switch (trust) {
    case client::Vault::Trust::verified:
      return "verified";
    case client::Vault::Trust::broken:
      return "CHANGED since it was verified";
    default:
      return "not verified";
  }
}

bool print_safety_number(const client::SafetyNumber& number, bool with_code) {
  bool well = write_line(number.peer + ", " + std::string(to_text(number.known.trust)));
  if (const auto code = with_code ? qr_code(number.scannable) : std::nullopt) {
    for (const std::string& line : *code) well = write_line(line) && well;
  }
  for (std::size_t row = 0; row < 3; ++row) {
    std::string line;
    for (std::size_t group = 0; group < 4; ++group) {
      line += "  " + number.digits.substr(row * 20 + group * 5, 5);
    }
    well = write_line(line) && well;
  }
  return well;
}

}  // namespace

int run_verify(const std::string& home, const VerifyWords& words) {
  const std::string& account = words.account;
  const auto peer = protocol::parse_jid(account);
  if (!peer) return complain(peer.error().message, 2);
  auto opened = open_registered(home, {});
  if (!opened) return opened.error();
  Client& client = *(*opened)->client;
  if (peer->domain != client.identity()->jid.domain) {
    return complain(account + " is of another server", 2);
  }
  std::optional<std::string> answer;
  client.look_up(peer->user, [&](const std::string& trouble) { answer = trouble; });
  const auto done =
      client.run([&] { return answer.has_value(); }, monotonic_now() + std::chrono::seconds(10));
  if (!done) return complain(done.error().message);
  if (!*done) {
    return complain(client.trouble().empty() ? "the gateway does not answer" : client.trouble());
  }
  client.close();
  if (!answer->empty()) return complain(account + ": " + *answer);
  auto numbers = client::safety_numbers(client.state(), *peer);
  if (!numbers) return complain(numbers.error().message);
  for (client::SafetyNumber& number : *numbers) {
    if (peer->device != 0 && number.peer != account) continue;
    if (words.compared) {
      if (auto marked = client::mark_verified(client.state(), number); !marked) {
        return complain(marked.error().message);
      }
      number.known.trust = client::Vault::Trust::verified;
    }
    if (!print_safety_number(number, words.with_code))
      return complain("cannot write to standard output");
  }
  return 0;
}

}  // namespace godwit::apps
