// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/result.h"

namespace godwit::sim {

// A folder that goes with its owner. In memory where the system has that: every run makes some
// small databases in it and what they survive is not the machine's end.
class Scratch {
 public:
  Scratch() {
    std::error_code ignored;
    const bool has_memory = std::filesystem::is_directory("/dev/shm", ignored);
    std::string path = has_memory ? "/dev/shm" : std::filesystem::temp_directory_path().string();
    path += "/godwit-sim-XXXXXX";
    GODWIT_CHECK(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace godwit::sim
