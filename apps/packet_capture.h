// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "dataplane/io/dpdk/capture.h"

// Writes what shards capture to a file each, of each port where they have several, in the format of
// libpcap with nanoseconds, for a time. One capture at a time, bounded in time and size.
//
// Thread safety: start() and the destructor on one thread.

namespace godwit::apps {

class PacketCapture {
 public:
  static constexpr std::uint64_t file_bytes_max = std::uint64_t{1} << 30;

  struct Wanted {
    std::string folder;  // made when missing; the files in it must not be there
    std::chrono::seconds time{10};
  };

  // One a shard, of frames of so many ports; they outlive this object.
  PacketCapture(std::vector<dataplane::io::dpdk::Capture*> shards, std::size_t ports)
      : shards_(std::move(shards)), ports_(ports) {}
  ~PacketCapture();
  PacketCapture(const PacketCapture&) = delete;
  PacketCapture& operator=(const PacketCapture&) = delete;

  // Returns the files that are being written. Errors: unavailable while one runs, exists for a file
  // that is there, io.
  Result<std::vector<std::string>> start(const Wanted& wanted);

 private:
  struct File {
    std::ofstream out;
    std::uint64_t bytes = 0;
    std::uint64_t left_out = 0;  // frames
  };

  std::string name_of(std::size_t shard, std::size_t port) const;
  void run(std::chrono::seconds time);
  void write_what_came();

  const std::vector<dataplane::io::dpdk::Capture*> shards_;
  const std::size_t ports_;
  std::vector<File> files_;  // of the ports of the first shard, of the second...
  std::mutex mutex_;
  std::condition_variable ending_;
  bool ends_ = false;     // under the mutex
  bool running_ = false;  // under the mutex
  std::thread thread_;
};

}  // namespace godwit::apps
