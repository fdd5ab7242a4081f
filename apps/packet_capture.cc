// SPDX-License-Identifier: Apache-2.0
#include "apps/packet_capture.h"

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace godwit::apps {

using dataplane::io::dpdk::CapturedFrame;

namespace {

// The file's head and each frame's, in this machine's order of bytes, which the magic number tells
// (draft-ietf-opsawg-pcap, 4 and 5).
struct PcapHead {
  std::uint32_t magic = 0xa1b23c4d;  // times in nanoseconds
  std::uint16_t major = 2;
  std::uint16_t minor = 4;
  std::uint32_t reserved[2] = {0, 0};
  std::uint32_t kept_max = CapturedFrame::kept_max;
  std::uint32_t link = 1;  // Ethernet
};
static_assert(sizeof(PcapHead) == 24);

struct FrameHead {
  std::uint32_t seconds = 0;
  std::uint32_t nanoseconds = 0;
  std::uint32_t kept = 0;
  std::uint32_t size = 0;
};
static_assert(sizeof(FrameHead) == 16);

template <typename Head>
void write_head(std::ofstream& out, const Head& head) {
  out.write(reinterpret_cast<const char*>(&head), sizeof head);
}

// A new file that only its owner reads. Errors: exists, io.
Result<std::ofstream> create(const std::string& path) {
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made < 0) {
    return fail(errno == EEXIST ? ErrorCode::exists : ErrorCode::io,
                path + ": " + std::strerror(errno));
  }
  ::close(made);
  std::ofstream out(path, std::ios::binary | std::ios::in | std::ios::out);
  if (!out) return fail(ErrorCode::io, path + ": cannot be written");
  write_head(out, PcapHead{});
  return out;
}

}  // namespace

PacketCapture::~PacketCapture() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  ending_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<std::vector<std::string>> PacketCapture::start(const Wanted& wanted) {
  {
    const std::lock_guard lock(mutex_);
    if (running_) return fail(ErrorCode::unavailable, "a capture is running; try again later");
  }
  if (thread_.joinable()) thread_.join();
  std::error_code error;
  std::filesystem::create_directories(wanted.folder, error);
  if (error) return fail(ErrorCode::io, wanted.folder + ": " + error.message());
  files_.clear();
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < shards_.size() * ports_; ++i) {
    paths.push_back(wanted.folder + "/" + name_of(i / ports_, i % ports_));
    auto out = create(paths.back());
    if (!out) return std::unexpected(out.error());
    files_.push_back({.out = std::move(*out), .bytes = sizeof(PcapHead)});
  }
  for (auto* shard : shards_) {
    shard->drain([](const CapturedFrame&) {});  // of the end of an earlier one
    shard->start();
  }
  running_ = true;
  thread_ = std::thread([this, time = wanted.time] { run(time); });
  return paths;
}

std::string PacketCapture::name_of(std::size_t shard, std::size_t port) const {
  const std::string of_port = ports_ > 1 ? "-port-" + std::to_string(port) : "";
  return "shard-" + std::to_string(shard) + of_port + ".pcap";
}

void PacketCapture::run(std::chrono::seconds time) {
  ::pthread_setname_np(::pthread_self(), "capture");
  constexpr auto period = std::chrono::milliseconds(20);
  const auto end = std::chrono::steady_clock::now() + time;
  std::unique_lock lock(mutex_);
  while (!ends_ && std::chrono::steady_clock::now() < end) {
    ending_.wait_for(lock, period);
    lock.unlock();
    write_what_came();
    lock.lock();
  }
  lock.unlock();
  for (auto* shard : shards_) shard->stop();
  write_what_came();
  std::uint64_t left_out = 0;
  for (File& file : files_) {
    file.out.close();
    left_out += file.left_out;
  }
  if (left_out > 0) {
    spdlog::warn("capture: {} frames are not in the files, which are full or cannot be written",
                 left_out);
  }
  lock.lock();
  running_ = false;
}

void PacketCapture::write_what_came() {
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    shards_[shard]->drain([&](const CapturedFrame& frame) {
      File& file = files_[shard * ports_ + frame.port];
      const std::uint64_t size = sizeof(FrameHead) + frame.kept;
      if (file.bytes + size > file_bytes_max || !file.out) {
        ++file.left_out;
        return;
      }
      constexpr std::uint64_t second = 1'000'000'000;
      write_head(file.out,
                 FrameHead{.seconds = static_cast<std::uint32_t>(frame.unix_ns / second),
                           .nanoseconds = static_cast<std::uint32_t>(frame.unix_ns % second),
                           .kept = frame.kept,
                           .size = frame.size});
      file.out.write(reinterpret_cast<const char*>(frame.bytes.data()), frame.kept);
      file.bytes += size;
    });
  }
}

}  // namespace godwit::apps
