// SPDX-License-Identifier: Apache-2.0
#include "tests/interop/peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "base/result.h"

namespace godwit::interop {
namespace {

// A child that hangs would otherwise hang the test for its whole time.
constexpr unsigned answer_seconds_max = 60;

struct Process {
  pid_t pid = -1;
  int to = -1;
  int from = -1;
};

Process start(std::vector<std::string> arguments, const std::string& folder) {
  std::array<int, 2> to{};
  std::array<int, 2> from{};
  GODWIT_CHECK(pipe2(to.data(), O_CLOEXEC) == 0 && pipe2(from.data(), O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from[1], STDOUT_FILENO);
  if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  std::vector<char*> list;
  for (std::string& argument : arguments) list.push_back(argument.data());
  list.push_back(nullptr);
  Process process{-1, to[1], from[0]};
  if (posix_spawnp(&process.pid, list[0], &actions, nullptr, list.data(), environ) != 0) {
    process.pid = -1;
  }
  posix_spawn_file_actions_destroy(&actions);
  close(to[0]);
  close(from[1]);
  return process;
}

std::string read_all(int descriptor) {
  std::string text;
  std::array<char, 512> part;
  for (ssize_t got; (got = read(descriptor, part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::string prepare() {
  const Process process = start({GODWIT_INTEROP_SOURCE "/prepare.sh", GODWIT_INTEROP_FOLDER}, "");
  if (process.pid < 0) return "prepare.sh does not start";
  close(process.to);
  std::string said = read_all(process.from);
  close(process.from);
  int status = 0;
  GODWIT_CHECK(waitpid(process.pid, &status, 0) == process.pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return said.empty() ? "prepare.sh failed" : said;
}

}  // namespace

std::string Peer::missing() {
  static const std::string why = prepare();
  return why;
}

Peer::Peer() {
  const Process process = start({"node", "peer.mjs"}, GODWIT_INTEROP_FOLDER);
  GODWIT_CHECK(process.pid > 0);
  process_ = process.pid;
  to_ = fdopen(process.to, "w");
  from_ = fdopen(process.from, "r");
  GODWIT_CHECK(to_ != nullptr && from_ != nullptr);
}

Peer::~Peer() {
  std::fclose(to_);  // the peer ends with its input
  alarm(answer_seconds_max);
  waitpid(process_, nullptr, 0);
  alarm(0);
  std::fclose(from_);
}

nlohmann::json Peer::ask(const nlohmann::json& command) {
  const std::string line = command.dump() + "\n";
  GODWIT_CHECK(std::fwrite(line.data(), 1, line.size(), to_) == line.size());
  GODWIT_CHECK(std::fflush(to_) == 0);
  alarm(answer_seconds_max);
  char* text = nullptr;
  std::size_t room = 0;
  const ssize_t size = getline(&text, &room, from_);
  alarm(0);
  const std::unique_ptr<char, decltype(&std::free)> owner(text, &std::free);
  GODWIT_CHECK(size > 0);
  return nlohmann::json::parse(text, text + size);
}

}  // namespace godwit::interop
