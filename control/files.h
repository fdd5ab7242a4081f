// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

// Small files that must be whole or absent, the folders they are in, and the lock that keeps two
// gateways apart. Thread safety: functions without shared state; blocking.

namespace godwit::control {

// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~FileDescriptor() { reset(); }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  void reset();

 private:
  int fd_ = -1;
};

// "cannot OPEN PATH: why", with ErrorCode::full for a full device and not_found for a missing file.
std::unexpected<Error> file_error(std::string_view action, const std::string& path,
                                  int error_number);

// Makes the folder and its missing parents; what it makes has mode 0700.
Result<void> make_directories(const std::string& path);

bool file_exists(const std::string& path);

// The whole file; an error when it is longer than `size_max`.
Result<std::string> read_file(const std::string& path, std::size_t size_max);

// Fills `out` from a file of exactly that size, with no copy of it left behind: for keys.
Result<void> read_file_exactly(const std::string& path, MutableBytes out);

// The file has the new content and mode 0600 when this returns, and has it after a power cut too;
// until then it has the old content. Written beside it, synced, renamed over it, the folder synced.
Result<void> write_file_durably(const std::string& path, Bytes content);

// What has been written to a file, or to the list of names of a folder, survives a power cut.
Result<void> sync_file(const std::string& path);

// Replaces the content of a file of just that size where it is: for when there is no room for
// another file. A power cut in the middle may leave a mixture, unless the content fits one sector
// of the disk.
Result<void> overwrite_file(const std::string& path, Bytes content);

// Held from construction to destruction; the kernel drops it when the process dies.
class DirectoryLock {
 public:
  // ErrorCode::unavailable when another process has it.
  static Result<DirectoryLock> take(const std::string& directory);

 private:
  explicit DirectoryLock(FileDescriptor fd) : fd_(std::move(fd)) {}
  FileDescriptor fd_;
};

}  // namespace godwit::control
