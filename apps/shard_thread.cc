// SPDX-License-Identifier: Apache-2.0
#include "apps/shard_thread.h"

#include <pthread.h>
#include <sched.h>

#include "queues/thread_share.h"

namespace godwit::apps {

std::vector<int> available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) cores.push_back(i);
  }
  return cores;
}

void prepare_thread(const std::string& name, int core) {
  ::pthread_setname_np(::pthread_self(), name.c_str());
  queues::prefer_short_slices();
  if (core < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::pthread_setaffinity_np(::pthread_self(), sizeof set, &set);
}

}  // namespace godwit::apps
