// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "queues/parker.h"
#include "queues/storage_worker.h"

namespace godwit::queues {

// Runs a StorageWorker until stopped; sleeps while nothing comes, waking now and then for expiry. Where it
// shares a core with a shard, the shard goes first (queues/thread_share.h).
// Made before the rings, because homes need its parker. Thread safety: start and stop from one
// other thread.
class StorageThread {
 public:
  StorageThread() : parker_([this] { wake(); }) {}
  ~StorageThread() { stop(); }
  StorageThread(const StorageThread&) = delete;
  StorageThread& operator=(const StorageThread&) = delete;

  Parker& parker() { return parker_; }
  // `worker` lives until stop() has returned.
  void start(StorageWorker& worker) {
    thread_ = std::thread([this, &worker] { run(worker); });
  }
  // Ends once what has been posted is done.
  void stop() {
    if (!thread_.joinable()) return;
    stopping_.store(true);
    wake();
    thread_.join();
  }

 private:
  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    condition_.notify_one();
  }
  void run(StorageWorker& worker);

  Parker parker_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace godwit::queues
