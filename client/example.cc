// SPDX-License-Identifier: Apache-2.0

// A device in an application's own event loop: registered before with `godwit register`, it prints
// what comes for ten seconds and answers each message. Usage: client_example HOME

#include <poll.h>

#include <algorithm>
#include <iostream>

#include "client/client.h"

namespace {

using namespace godwit;

int complain(const Error& error) {
  std::cerr << error.message << "\n";
  return 1;
}

// Takes what is in the inbox. A message that was printed and not erased is shown again by the next
// run, under the same sender and id.
Result<void> take_messages(client::Client& client) {
  const auto messages = client.state().read_inbox(100);
  if (!messages) return std::unexpected(messages.error());
  for (const auto& [row, message] : *messages) {
    std::cout << message.from << ": " << message.payload << std::endl;
    if (message.notice) {  // about the sender, not from it
      if (auto erased = client.state().erase_inbox(row); !erased) return erased;
      continue;
    }
    const std::string answer = "thank you for " + std::to_string(message.id);
    if (const auto to = protocol::parse_jid(message.from)) {
      if (const auto sent = client.send(*to, {&answer, 1}); !sent) {
        return std::unexpected(sent.error());
      }
    }
    if (auto erased = client.state().erase_inbox(row); !erased) return erased;
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: client_example HOME\n";
    return 2;
  }
  SystemRandom random;
  client::ClientEvents events;
  events.refused = [](std::uint64_t id, const std::string& why) {
    std::cerr << "message " << id << " refused: " << why << "\n";
  };
  const auto opened = client::Client::open(argv[1], random, events);
  if (!opened) return complain(opened.error());
  client::Client& client = **opened;

  const Instant end = monotonic_now() + std::chrono::seconds(10);
  while (monotonic_now() < end) {
    if (auto advanced = client.advance(read_clocks()); !advanced) return complain(advanced.error());
    if (auto taken = take_messages(client); !taken) return complain(taken.error());

    const Duration wait = std::min(client.deadline(), end) - monotonic_now();
    const auto wait_ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
    pollfd ready{.fd = client.descriptor(), .events = POLLIN, .revents = 0};
    if (client.wants_write()) ready.events |= POLLOUT;
    ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(wait_ms, 0)));
  }
  client.close();
  return 0;
}
