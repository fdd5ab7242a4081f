// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/result.h"
#include "control/files.h"

// The caller's end of a gateway's admin socket (control/admin_server.h). Blocking, with a time
// limit. One thread.

namespace godwit::apps {

class AdminClient {
 public:
  // Errors name what to do.
  static Result<AdminClient> connect(const std::string& path);

  // The gateway's answer, whose "ok" is true; its error else.
  Result<nlohmann::json> ask(const nlohmann::json& request);

 private:
  explicit AdminClient(control::FileDescriptor fd) : fd_(std::move(fd)) {}
  control::FileDescriptor fd_;
  std::string received_;
};

}  // namespace godwit::apps
