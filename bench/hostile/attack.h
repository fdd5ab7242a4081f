// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

// Whoever means a gateway ill, each in a process of its own below everything else's priority, ended
// with this object. They come from 127.0.0.66, or from 250 addresses beside it.

namespace godwit::bench {

enum class Attack : std::uint8_t {
  connections,  // come and go
  garbage,      // say what is no handshake
  handshakes,   // begin handshakes and go on to the next: each costs the gateway three X25519
  silence,      // a thousand that say nothing, each again when it is let go
};
inline constexpr Attack all_attacks[] = {Attack::connections, Attack::garbage, Attack::handshakes,
                                         Attack::silence};
std::string_view to_text(Attack attack);

class AttackProcess {
 public:
  struct Options {
    Attack attack{};
    std::uint16_t port = 0;
    unsigned addresses = 1;
    int core = 1;
  };
  explicit AttackProcess(const Options& options);
  // Any other work, which counts what it has done; ended likewise.
  AttackProcess(int core, const std::function<void(std::atomic<std::uint64_t>&)>& work);
  ~AttackProcess();
  AttackProcess(const AttackProcess&) = delete;
  AttackProcess& operator=(const AttackProcess&) = delete;

  // Connections made, or what the work has counted.
  std::uint64_t count() const { return count_->load(std::memory_order_relaxed); }

 private:
  pid_t pid_ = -1;
  std::atomic<std::uint64_t>* count_ = nullptr;  // shared with the process
};

}  // namespace godwit::bench
