// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <sstream>

#include "control/admin_commands.h"
#include "tests/control/fake_shards.h"
#include "tests/fuzz/control_world.h"

// Requests on the admin socket, one a line: each has one answer, an object with "ok" that can be
// printed, and an error says something. The shards never answer, so what asks them must give up.

namespace {

using namespace godwit;
using namespace godwit::control;

class World {
 public:
  World()
      : control_({.domain = "example.org",
                  .hash_user = [](std::string_view user) { return user.size(); },
                  .home_shard = [](std::uint64_t) { return 0u; },
                  .accounts = *accounts_,
                  .keys = *keys_,
                  .pool = pool_,
                  .shards = shards_.links()}),
        admin_(control_, *accounts_,
               {.version = "1", .node_key = "aa", .operator_key = "bb", .random = random_}) {}

  void ask(const nlohmann::json& request) {
    int answers = 0;
    admin_.handle(request, now_, [&](const nlohmann::json& answer) {
      ++answers;
      GODWIT_CHECK(answer.is_object() && answer.at("ok").is_boolean() && !answer.dump().empty());
      GODWIT_CHECK(answer.at("ok").get<bool>() || !answer.at("error").get<std::string>().empty());
    });
    control_.do_work(now_);
    shards_.hear(0);
    now_.instant += std::chrono::minutes(1);
    control_.do_work(now_);
    GODWIT_CHECK(answers == 1);
  }

 private:
  std::unique_ptr<AccountStore> accounts_ = accounts_with_alice();
  std::unique_ptr<KeyDirectory> keys_ =
      std::move(*KeyDirectory::open({.path = std::string(KeyDirectory::in_memory)}));
  queues::BufferPool pool_{1 << 20};
  FakeShards shards_{1, 64};
  SeededRandom random_{1};
  Now now_{Instant{std::chrono::hours(1)}, fuzz_wall_time};
  Control control_;
  AdminCommands admin_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world;
  std::istringstream lines{std::string(as_text(Bytes(data, size)))};
  for (std::string line; std::getline(lines, line);) {
    // As the admin server lets requests through.
    const nlohmann::json request = nlohmann::json::parse(line, nullptr, false);
    if (!request.is_object() || !request.contains("command")) continue;
    if (request["command"].is_string()) world.ask(request);
  }
  return 0;
}
