// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/dataplane/tcp/script/script.h"
#include "tests/dataplane/tcp/script/segment_text.h"
#include "tests/dataplane/tcp/script/world.h"

namespace godwit::dataplane::tcp::script {

enum class Family { v4, v6 };

// Whether a script is for this family: "only v4" and "only v6" leave the other out.
bool is_for(const Script& script, Family family);

// Plays one script. Empty when all went as it says; else rule, file and line, what was expected and
// what came.
std::string play(const Script& script, Family family);

class Player {
 public:
  explicit Player(Family family);

  // Empty when the line held.
  std::string play(const Line& line);
  // What has left and no line has asked for.
  std::string leftovers();

 private:
  using Words = std::vector<std::string>;

  World& world();
  Conversation& conversation(std::optional<std::uint16_t> port = {});
  Flow flow(const Conversation& conversation) const;
  Names names() const {
    return {static_cast<std::int64_t>(settings_.network.mtu) - (family_ == Family::v4 ? 40 : 60),
            i_};
  }

  std::string arrives(const Line& line);
  std::string arrives_once(Words words);
  std::string arrives_icmp(const Words& words);
  std::string leaves(const Line& line);
  std::string leaves_once(const Line& line, Words words);
  struct Left {
    SegmentIn segment;
    Instant at;
  };
  std::optional<Left> take_segment();
  void learn(const SegmentIn& segment, Conversation& conversation);

  std::string call(const Words& words);
  std::string set(const Words& words);
  void pass_time(Duration by);
  std::string open_connection(const Words& words);
  std::string use_connection(const Words& words);
  std::string expect(const Words& words);
  struct Range {
    std::int64_t least;
    std::int64_t most;
  };
  std::string expect_number(const std::string& what, Range wanted);
  std::optional<std::int64_t> number_of(const std::string& what);
  User::Connection* current();

  const Family family_;
  const IpAddress us_;
  const IpAddress peer_;
  StackSettings settings_;
  bool half_close_ = false;
  std::unique_ptr<World> world_;
  Conversation main_;
  std::map<std::uint16_t, Conversation> others_;
  std::vector<std::uint8_t> taken_;
  std::size_t current_ = 0;
  bool chosen_ = false;     // by "use"; otherwise the latest
  bool open_turn_ = false;  // more arrives in this one
  Instant time_;            // of the script
  std::int64_t i_ = 0;
};

}  // namespace godwit::dataplane::tcp::script
