// SPDX-License-Identifier: Apache-2.0

// The shortest use of the SDK: a device that was registered with `godwit register` prints what
// comes for ten seconds and answers each message once. Usage: client_example HOME

#include <iostream>

#include "client/client.h"

int main(int argc, char** argv) {
  using namespace godwit;
  if (argc != 2) {
    std::cerr << "usage: client_example HOME\n";
    return 2;
  }
  SystemRandom random;
  bool received = false;
  client::ClientEvents events;
  events.received = [&] { received = true; };
  auto client = client::Client::open(argv[1], random, events);
  if (!client) {
    std::cerr << client.error().message << "\n";
    return 1;
  }
  const Instant end = monotonic_now() + std::chrono::seconds(10);
  while (monotonic_now() < end) {
    received = false;
    if (auto ran = (*client)->run([&] { return received; }, end); !ran) {
      std::cerr << ran.error().message << "\n";
      return 1;
    }
    const auto messages = (*client)->state().read_inbox(100);
    if (!messages) break;
    for (const auto& stored : *messages) {
      std::cout << stored.message.from << ": " << stored.message.payload << std::endl;
      const auto to = protocol::parse_jid(stored.message.from);
      const std::string answer = "thank you for " + std::to_string(stored.message.id);
      if (to) (void)(*client)->send(*to, {&answer, 1});
      (void)(*client)->state().erase_inbox(stored.row);
    }
  }
  (*client)->close();
  return 0;
}
