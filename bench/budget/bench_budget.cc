// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string_view>

#include "bench/budget/scenarios.h"

// bench_budget instructions|idle: runs the scripted loads, for scripts/budget, and says what they
// were about: one JSON object a line, in the order in which their parts of a profile end.

namespace {

using namespace godwit::bench;

void print(const CountedPart& part) {
  std::printf("{\"name\": \"%s\", \"unit\": \"%.*s\", \"count\": %llu", part.name.c_str(),
              static_cast<int>(part.unit.size()), part.unit.data(),
              static_cast<unsigned long long>(part.count));
  for (const auto& [name, value] : part.facts) {
    std::printf(", \"%.*s\": %.4f", static_cast<int>(name.size()), name.data(), value);
  }
  std::printf("}\n");
}

int usage() {
  std::fprintf(stderr, "usage: bench_budget instructions|idle\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return usage();
  if (argv[1] == std::string_view("instructions")) {
    print(count_messages("window_1", 1, 1));
    print(count_messages("window_8", 1, 8));
    print(count_messages("two_shards", 2, 1));
    for (const CountedPart& part : count_offline()) print(part);
    print(count_logins());
    return 0;
  }
  if (argv[1] == std::string_view("idle")) {
    const IdleMemory idle = measure_idle();
    std::printf("{\"name\": \"idle_session\", \"sessions\": %llu, \"bytes\": %.3f}\n",
                static_cast<unsigned long long>(idle.sessions), idle.bytes_a_session);
    return 0;
  }
  return usage();
}
