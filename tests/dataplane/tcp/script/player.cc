// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/tcp/script/player.h"

#include <algorithm>

#include "dataplane/tcp/wire/icmp.h"
#include "dataplane/tcp/wire/tcp_header.h"
#include "tests/dataplane/tcp/wire/packets.h"

namespace godwit::dataplane::tcp::script {
namespace {

IpAddress address(Family family, const char* v4, const char* v6) {
  return *parse_ip_address(family == Family::v4 ? v4 : v6);
}

// "times N" at the end of a line, taken off.
Result<std::int64_t> take_times(std::vector<std::string>& words, const Names& names) {
  if (words.size() < 2 || words[words.size() - 2] != "times") return 1;
  const auto times = evaluate(words.back(), names);
  words.resize(words.size() - 2);
  return times;
}

std::string milliseconds(Duration time) {
  return std::to_string(static_cast<double>(time.count()) / 1e6) + " ms";
}

struct IcmpKind {
  const char* word;
  std::uint8_t v4_type, v4_code, v6_type, v6_code;
};
constexpr IcmpKind icmp_kinds[] = {
    {"too_big", 3, 4, 2, 0},         {"port_unreachable", 3, 3, 1, 4},
    {"net_unreachable", 3, 0, 1, 0}, {"host_unreachable", 3, 1, 1, 3},
    {"prohibited", 3, 13, 1, 1},     {"time_exceeded", 11, 0, 3, 0},
    {"source_quench", 4, 0, 200, 0}};

}  // namespace

bool is_for(const Script& script, Family family) {
  return std::ranges::none_of(script.lines, [&](const Line& line) {
    return line.words.size() == 2 && line.words[0] == "only" &&
           (line.words[1] == "v4") != (family == Family::v4);
  });
}

std::string play(const Script& script, Family family) {
  Player player(family);
  const auto report = [&](int line, const std::string& text, const std::string& what) {
    return script.file + ":" + std::to_string(line) + ": " + script.rule + "\n  " + text + "\n  " +
           what;
  };
  for (const Line& line : script.lines) {
    const std::string wrong = player.play(line);
    if (!wrong.empty()) return report(line.number, line.text, wrong);
  }
  if (script.lines.empty()) return report(0, "", "the script has no lines");
  const std::string left = player.leftovers();
  return left.empty() ? "" : report(script.lines.back().number, "the end", left);
}

Player::Player(Family family)
    : family_(family),
      us_(address(family, "192.0.2.1", "2001:db8::1")),
      peer_(address(family, "198.51.100.2", "2001:db8:1::2")) {
  settings_.network.link = LinkMode::raw_ip;
  settings_.network.addresses = {{us_, 128}};
}

World& Player::world() {
  if (!world_) {
    world_ = std::make_unique<World>(settings_, half_close_);
    time_ = world_->now;
  }
  return *world_;
}

Conversation& Player::conversation(std::optional<std::uint16_t> port) {
  if (!port || *port == main_.peer_port) return main_;
  auto [found, is_new] = others_.try_emplace(*port);
  if (is_new) {
    found->second.peer_port = *port;
    found->second.our_port = main_.our_port;
  }
  return found->second;
}

Flow Player::flow(const Conversation& conversation) const {
  return {us_, peer_, conversation.our_port, conversation.peer_port};
}

std::string Player::play(const Line& line) {
  if (line.kind == Line::Kind::call && line.delay == Duration{} && !world_) return call(line.words);
  world();
  time_ += line.delay;
  if (line.kind == Line::Kind::leaves) return leaves(line);
  const bool same_turn = open_turn_ && line.kind == Line::Kind::arrives && line.delay == Duration{};
  open_turn_ = false;
  if (!same_turn) world_->run(time_, false);
  const bool discards = line.words.front() == "discard";
  if (const std::string left = discards ? "" : leftovers(); !left.empty()) return left;
  if (line.kind == Line::Kind::arrives) return arrives(line);
  const std::string wrong = call(line.words);
  if (wrong.empty()) world_->turn();
  return wrong;
}

std::string Player::leftovers() {
  const auto left = world_ ? take_segment() : std::nullopt;
  if (!left) return "";
  return "unexpected at " + milliseconds(left->at - time_) + " of this line's time: " +
         describe(left->segment, conversation(left->segment.flow.local_port));
}

std::string Player::arrives(const Line& line) {
  Words words = line.words;
  const auto times = take_times(words, names());
  if (!times) return times.error().message;
  for (i_ = 0; i_ < *times; ++i_) {
    if (const std::string wrong = arrives_once(words); !wrong.empty()) return wrong;
  }
  i_ = 0;
  return "";
}

std::string Player::arrives_once(Words words) {
  if (words.front() == "icmp") return arrives_icmp(words);
  auto pattern = parse_pattern(words, names());
  if (!pattern) return pattern.error().message;
  Conversation& with = conversation(pattern->port);
  if (!pattern->options && with.timestamps && (pattern->flags & Flags::rst) == 0) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(
        world_->now.time_since_epoch() - std::chrono::hours(1));
    pattern->options = {{"ts " + std::to_string(1000 + age.count())}};
  }
  auto packet = build(*pattern, with, flow(with), names());
  if (!packet) return packet.error().message;
  world_->receive(std::move(*packet));
  open_turn_ = pattern->more;
  if (!open_turn_) world_->turn();
  return "";
}

// "icmp KIND seq N [mtu N] [port N]": quotes a segment of ours.
std::string Player::arrives_icmp(const Words& words) {
  const auto* kind = std::ranges::find_if(
      icmp_kinds, [&](const IcmpKind& one) { return words.size() > 1 && words[1] == one.word; });
  if (kind == std::end(icmp_kinds)) return "which kind of ICMP?";
  std::map<std::string, std::int64_t> values;
  for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
    const auto value = evaluate(words[i + 1], names());
    if (!value) return value.error().message;
    values[words[i]] = *value;
  }
  std::optional<std::uint16_t> port;
  if (values.contains("port")) port = static_cast<std::uint16_t>(values["port"]);
  const Conversation& with = conversation(port);
  const std::uint32_t seq = with.our_isn.value_or(0) + static_cast<std::uint32_t>(values["seq"]);
  const auto quote = testing::tcp_packet({flow(with), seq, 0, 0, Flags::ack});
  const bool v4 = family_ == Family::v4;
  const IcmpOut message{v4 ? kind->v4_type : kind->v6_type, v4 ? kind->v4_code : kind->v6_code,
                        static_cast<std::uint32_t>(values["mtu"]), quote};
  const IpAddress router = address(family_, "203.0.113.9", "2001:db8:9::9");
  world_->receive(testing::icmp_packet(router, us_, message));
  world_->turn();
  return "";
}

std::optional<Player::Left> Player::take_segment() {
  if (world_->sent.empty()) return std::nullopt;
  const Instant at = world_->sent.front().at;
  taken_ = std::move(world_->sent.front().packet);
  world_->sent.pop_front();
  const auto packet = testing::parse_ip(taken_);
  GODWIT_CHECK(packet && packet->protocol == Protocol::tcp);
  auto segment = parse_tcp(*packet, false);
  GODWIT_CHECK(segment);
  Conversation& with = conversation(segment->flow.local_port);
  learn(*segment, with);
  return Left{*segment, at};
}

void Player::learn(const SegmentIn& segment, Conversation& with) {
  if (segment.has(Flags::syn)) with.our_isn = segment.seq;
  if (!segment.options.timestamps) return;
  if (!with.timestamp_first) with.timestamp_first = segment.options.timestamps->value;
  with.timestamp_last = segment.options.timestamps->value;
}

std::string Player::leaves(const Line& line) {
  Words words = line.words;
  const auto times = take_times(words, names());
  if (!times) return times.error().message;
  for (i_ = 0; i_ < *times; ++i_) {
    if (const std::string wrong = leaves_once(line, words); !wrong.empty()) return wrong;
  }
  i_ = 0;
  return "";
}

std::string Player::leaves_once(const Line& line, Words words) {
  const auto pattern = parse_pattern(words, names());
  if (!pattern) return pattern.error().message;
  if (world_->sent.empty()) world_->run(time_ + line.tolerance, true);
  const auto left = take_segment();
  if (!left) return "nothing has left";
  Conversation& with = conversation(pattern->port);
  if (left->segment.flow.local_port != with.peer_port) {
    return "to port " + std::to_string(left->segment.flow.local_port) + ": " +
           describe(left->segment, conversation(left->segment.flow.local_port));
  }
  std::string wrong = differences(*pattern, left->segment, with, names());
  const Duration off = left->at - time_;
  if (off > line.tolerance || off < -line.tolerance)
    wrong += " time (off by " + milliseconds(off) + ")";
  if (wrong.empty()) return "";
  return "came: " + describe(left->segment, with) + "\n  differs:" + wrong;
}

}  // namespace godwit::dataplane::tcp::script
