// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace godwit::packetdrill {

// Numbers of our sockets. packetdrill closes at its end, with the system's close(), what a script
// has left open, and fails where that fails: so each number is a descriptor of the process, of an
// empty file. Used by one thread at a time.
class Descriptors {
 public:
  Descriptors();
  ~Descriptors();
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  // A new one, or -EMFILE.
  int take();
  // Closes it, unless somebody else has, and has even opened something with its number.
  void give_back(int fd) const;

 private:
  int file_;
};

}  // namespace godwit::packetdrill
