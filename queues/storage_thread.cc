// SPDX-License-Identifier: Apache-2.0
#include "queues/storage_thread.h"

#include <pthread.h>

#include "queues/thread_share.h"

namespace godwit::queues {

void StorageThread::run(StorageWorker& worker) {
  ::pthread_setname_np(::pthread_self(), "storage");
  step_back();
  constexpr auto longest_sleep = std::chrono::milliseconds(500);
  for (;;) {
    const bool stopping = stopping_.load();
    const bool busy = worker.do_work(read_clocks()) > 0;
    if (stopping && worker.idle()) return;
    if (busy) continue;
    parker_.prepare();
    if (worker.idle()) {
      std::unique_lock lock(mutex_);
      condition_.wait_for(lock, stopping ? std::chrono::milliseconds(1) : longest_sleep,
                          [this] { return woken_ || stopping_.load(); });
      woken_ = false;
    } else {
      std::this_thread::yield();
    }
    parker_.awake();
  }
}

}  // namespace godwit::queues
