// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <string>

// A place for one device's folder, gone with the test. The folder itself is not made: that is what
// State::open is for.

namespace godwit::client::test {

class TemporaryHome {
 public:
  enum class Where : std::uint8_t {
    on_disk,
    in_memory
  };  // in memory where there is a place for it

  explicit TemporaryHome(Where where = Where::on_disk) {
    const std::filesystem::path memory = "/dev/shm";
    const bool here = where == Where::in_memory && ::access(memory.c_str(), W_OK) == 0;
    std::string path =
        (here ? memory : std::filesystem::temp_directory_path()) / "godwit-client-XXXXXX";
    above_ = ::mkdtemp(path.data());
  }
  ~TemporaryHome() {
    std::error_code ignored;
    std::filesystem::remove_all(above_, ignored);
  }
  TemporaryHome(const TemporaryHome&) = delete;
  TemporaryHome& operator=(const TemporaryHome&) = delete;

  std::string path() const { return above_ + "/home"; }
  std::string file(const std::string& name) const { return path() + "/" + name; }

 private:
  std::string above_;
};

}  // namespace godwit::client::test
