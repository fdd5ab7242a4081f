// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/sim/scratch.h"
#include "tests/sim/world.h"

// Runs seeds: simulate [--seed FIRST] [--seeds N] [--minutes M] [--verbose]. Ends at the first that
// fails, with the command that repeats it. scripts/sim builds and calls it.

namespace {

using namespace godwit;

// Also for an end by abort(): a broken invariant is a finding.
volatile std::uint64_t present_seed = 0;

void say_seed(int signal) {
  char text[160];
  const int size = std::snprintf(
      text, sizeof text, "sim: seed %llu ended the process; again: scripts/sim --seed %llu\n",
      static_cast<unsigned long long>(present_seed), static_cast<unsigned long long>(present_seed));
  if (::write(STDOUT_FILENO, text, static_cast<std::size_t>(size)) < 0) std::_Exit(3);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  double minutes = 0;
  bool verbose = false;
};

bool read_arguments(int count, char** values, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string name = values[i];
    if (name == "--verbose") {
      arguments.verbose = true;
      continue;
    }
    if (i + 1 >= count) return false;
    const char* value = values[++i];
    char* end = nullptr;
    if (name == "--seed") {
      arguments.seed = std::strtoull(value, &end, 10);
    } else if (name == "--seeds") {
      arguments.seeds = std::strtoull(value, &end, 10);
    } else if (name == "--minutes") {
      arguments.minutes = std::strtod(value, &end);
    } else {
      return false;
    }
    if (end == value || *end != '\0') return false;
  }
  return true;
}

}  // namespace

int main(int count, char** values) {
  Arguments arguments;
  if (!read_arguments(count, values, arguments)) {
    std::fprintf(stderr, "usage: simulate [--seed N] [--seeds N] [--minutes M] [--verbose]\n");
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) ::signal(signal, say_seed);
  const sim::Scratch scratch;
  const auto begin = std::chrono::steady_clock::now();
  sim::Outcome total;
  std::uint64_t done = 0;
  for (; done < arguments.seeds; ++done) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    if (arguments.minutes > 0 && spent.count() > arguments.minutes * 60) break;
    present_seed = arguments.seed + done;
    const sim::Outcome outcome = sim::run(present_seed, scratch.path(), arguments.verbose);
    if (!outcome.failure.empty()) {
      std::printf("sim: seed %llu: %s\nsim: again: scripts/sim --seed %llu --verbose\n",
                  static_cast<unsigned long long>(present_seed), outcome.failure.c_str(),
                  static_cast<unsigned long long>(present_seed));
      return 1;
    }
    total.events += outcome.events;
    total.sent += outcome.sent;
    total.accepted += outcome.accepted;
    total.refused += outcome.refused;
    total.shown += outcome.shown;
    total.crashes += outcome.crashes;
    total.digest = total.digest * 31 + outcome.digest;
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  std::printf(
      "sim: %llu seeds from %llu in %.1f s: %zu messages sent, %zu accepted, %zu refused, "
      "%zu shown, %zu crashes of the gateway, %llu events, digest %016llx\n",
      static_cast<unsigned long long>(done), static_cast<unsigned long long>(arguments.seed),
      spent.count(), total.sent, total.accepted, total.refused, total.shown, total.crashes,
      static_cast<unsigned long long>(total.events), static_cast<unsigned long long>(total.digest));
  return 0;
}
