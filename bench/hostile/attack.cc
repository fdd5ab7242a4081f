// SPDX-License-Identifier: Apache-2.0
#include "bench/hostile/attack.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <new>

#include "base/result.h"
#include "bench/generator/server_process.h"

namespace godwit::bench {

namespace {

sockaddr_in address_of(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(host);
  return address;
}

int connect_from(std::uint32_t host, std::uint16_t port) {
  const int connection = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connection < 0) return -1;
  // A reset at its end leaves no port in TIME_WAIT.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const sockaddr_in from = address_of(host, 0);
  const sockaddr_in to = address_of(INADDR_LOOPBACK, port);
  ::bind(connection, reinterpret_cast<const sockaddr*>(&from), sizeof from);
  if (::connect(connection, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
    return connection;
  }
  ::close(connection);
  return -1;
}

[[noreturn]] void run_attack(const AttackProcess::Options& options,
                             std::atomic<std::uint64_t>& count) {
  constexpr std::uint32_t first_host = 0x7f000042;  // 127.0.0.66
  // XX's preamble and a first message; any 32 bytes are an ephemeral key.
  std::array<std::uint8_t, 39> hello{'G', 'W', 1, 0x11, 0, 0, 32};
  const bool silent = options.attack == Attack::silence;
  const std::size_t held_max = silent ? 1000 : options.attack == Attack::handshakes ? 200 : 0;
  std::deque<int> held;
  for (std::uint32_t turn = 0;; ++turn) {
    if (silent && held.size() >= held_max) ::usleep(500);
    const int connection = connect_from(first_host + turn % options.addresses, options.port);
    if (connection < 0) continue;
    count.fetch_add(1, std::memory_order_relaxed);
    for (std::size_t i = 7; i < hello.size(); ++i)
      hello[i] = static_cast<std::uint8_t>(turn >> i % 4 * 8);
    if (options.attack == Attack::garbage) {
      constexpr std::string_view garbage = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
      ::send(connection, garbage.data(), garbage.size(), MSG_NOSIGNAL);
    } else if (options.attack == Attack::handshakes) {
      ::send(connection, hello.data(), hello.size(), MSG_NOSIGNAL);
    }
    held.push_back(connection);
    while (held.size() > held_max) {
      ::close(held.front());
      held.pop_front();
    }
  }
}

}  // namespace

std::string_view to_text(Attack attack) {
  switch (attack) {
    case Attack::connections:
      return "connections";
    case Attack::garbage:
      return "garbage";
    case Attack::handshakes:
      return "handshakes";
    case Attack::silence:
      return "silence";
  }
  return "";
}

AttackProcess::AttackProcess(const Options& options)
    : AttackProcess(options.core,
                    [options](std::atomic<std::uint64_t>& count) { run_attack(options, count); }) {}

AttackProcess::AttackProcess(int core,
                             const std::function<void(std::atomic<std::uint64_t>&)>& work) {
  void* shared =
      ::mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  GODWIT_CHECK(shared != MAP_FAILED);
  count_ = new (shared) std::atomic<std::uint64_t>(0);
  pid_ = ::fork();
  GODWIT_CHECK(pid_ >= 0);
  if (pid_ > 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_IDLE, &none);  // good ones must wait for a gateway, not for a CPU
  pin_to_core(core);
  work(*count_);
  ::_exit(0);
}

AttackProcess::~AttackProcess() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::munmap(count_, sizeof *count_);
}

}  // namespace godwit::bench
