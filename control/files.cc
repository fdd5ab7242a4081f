// SPDX-License-Identifier: Apache-2.0
#include "control/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace godwit::control {
namespace {

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> write_all(int fd, const std::string& path, Bytes content) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error("write", path, errno);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return file_error("sync", path, errno);
  return {};
}

}  // namespace

void FileDescriptor::reset() {
  if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
}

std::unexpected<Error> file_error(std::string_view action, const std::string& path,
                                  int error_number) {
  ErrorCode code = ErrorCode::io;
  if (error_number == ENOSPC || error_number == EDQUOT) code = ErrorCode::full;
  if (error_number == ENOENT) code = ErrorCode::not_found;
  return fail(code,
              "cannot " + std::string(action) + " " + path + ": " + std::strerror(error_number));
}

Result<void> make_directories(const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (!part.empty() && ::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return file_error("make folder", part, errno);
    }
    if (end == std::string::npos) break;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return file_error("open folder", path, errno);
  if (!S_ISDIR(status.st_mode)) return file_error("open folder", path, ENOTDIR);
  return {};
}

bool file_exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

Result<std::string> read_file(const std::string& path, std::size_t size_max) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return file_error("open", path, errno);
  std::string content;
  char chunk[4096];
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error("read", path, errno);
    if (got == 0) return content;
    content.append(chunk, static_cast<std::size_t>(got));
    if (content.size() > size_max) {
      return fail(ErrorCode::limit,
                  path + " is longer than " + std::to_string(size_max) + " bytes");
    }
  }
}

Result<void> read_file_exactly(const std::string& path, MutableBytes out) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return file_error("open", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return file_error("read", path, errno);
  if (static_cast<std::size_t>(status.st_size) != out.size()) {
    return fail(ErrorCode::corrupt, path + " has " + std::to_string(status.st_size) +
                                        " bytes where " + std::to_string(out.size()) + " belong");
  }
  while (!out.empty()) {
    const ssize_t got = ::read(fd.get(), out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return file_error("read", path, got < 0 ? errno : EIO);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Result<void> write_file_durably(const std::string& path, Bytes content) {
  const std::string temporary = path + ".new";
  FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return file_error("create", temporary, errno);
  if (Result<void> written = write_all(fd.get(), temporary, content); !written) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return file_error("rename", temporary, errno);
  return sync_file(folder_of(path));
}

Result<void> sync_file(const std::string& path) {
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return file_error("open", path, errno);
  if (::fsync(fd.get()) != 0) return file_error("sync", path, errno);
  return {};
}

Result<void> overwrite_file(const std::string& path, Bytes content) {
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return file_error("open", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return file_error("read", path, errno);
  if (static_cast<std::size_t>(status.st_size) != content.size()) {
    return fail(ErrorCode::invalid, path + " has another size");
  }
  return write_all(fd.get(), path, content);
}

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  const std::string path = directory + "/lock";
  FileDescriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return file_error("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file_error("lock", path, errno);
    return fail(ErrorCode::unavailable,
                "another gateway is using " + directory +
                    "; stop it, or give this one another folder with --data");
  }
  return DirectoryLock(std::move(fd));
}

}  // namespace godwit::control
