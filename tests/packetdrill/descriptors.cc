// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/descriptors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace godwit::packetdrill {

Descriptors::Descriptors() : file_(::memfd_create("godwit sockets", MFD_CLOEXEC)) {}

Descriptors::~Descriptors() {
  if (file_ >= 0) ::close(file_);
}

int Descriptors::take() {
  constexpr int after_the_standard_ones = 3;
  const int fd = ::fcntl(file_, F_DUPFD_CLOEXEC, after_the_standard_ones);
  return fd >= 0 ? fd : -EMFILE;
}

void Descriptors::give_back(int fd) const {
  struct stat ours {};
  struct stat theirs {};
  if (::fstat(file_, &ours) != 0 || ::fstat(fd, &theirs) != 0) return;
  if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) ::close(fd);
}

}  // namespace godwit::packetdrill
