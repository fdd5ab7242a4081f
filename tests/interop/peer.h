// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

// libsignal in a process of its own (peer.mjs), spoken to in lines of JSON over pipes. Ends with
// the object.

namespace godwit::interop {

class Peer {
 public:
  // Empty when the peer can be had; otherwise why not. Installs it at the first call.
  static std::string missing();

  // REQUIRES: missing().empty().
  Peer();
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // One command and its answer; an answer with "error" is the peer's refusal.
  nlohmann::json ask(const nlohmann::json& command);

 private:
  pid_t process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace godwit::interop
