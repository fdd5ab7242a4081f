// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>

#include "tests/dataplane/tcp/script/player.h"

namespace godwit::dataplane::tcp::script {
namespace {

Duration ms(std::int64_t value) {
  return std::chrono::milliseconds(value);
}

// Of the handshakes that a script leaves to us.
constexpr Duration round_trip = std::chrono::milliseconds(50);

using Setter = std::function<void(StackSettings&, std::int64_t)>;

const std::map<std::string, Setter> setters = {
    {"mtu", [](StackSettings& s, std::int64_t v) { s.network.mtu = static_cast<std::size_t>(v); }},
    {"nagle", [](StackSettings& s, std::int64_t v) { s.tcp.nagle = v != 0; }},
    {"timestamps", [](StackSettings& s, std::int64_t v) { s.tcp.timestamps = v != 0; }},
    {"sack", [](StackSettings& s, std::int64_t v) { s.tcp.sack = v != 0; }},
    {"wscale", [](StackSettings& s, std::int64_t v) { s.tcp.window_scale = v != 0; }},
    {"ecn",
     [](StackSettings& s, std::int64_t v) { s.tcp.ecn = EcnMode{static_cast<std::uint8_t>(v)}; }},
    {"rto_min", [](StackSettings& s, std::int64_t v) { s.tcp.rto_min = ms(v); }},
    {"rto_initial", [](StackSettings& s, std::int64_t v) { s.tcp.rto_initial = ms(v); }},
    {"delay_fin_acks", [](StackSettings& s, std::int64_t v) { s.tcp.delay_fin_acks = v != 0; }},
    {"drop_without_timestamp",
     [](StackSettings& s, std::int64_t v) { s.tcp.drop_without_timestamp = v != 0; }},
    {"rto_max", [](StackSettings& s, std::int64_t v) { s.tcp.rto_max = ms(v); }},
    {"give_up", [](StackSettings& s, std::int64_t v) { s.tcp.give_up = ms(v); }},
    {"give_up_syn", [](StackSettings& s, std::int64_t v) { s.tcp.give_up_syn = ms(v); }},
    {"give_up_persist", [](StackSettings& s, std::int64_t v) { s.tcp.give_up_persist = ms(v); }},
    {"delayed_ack", [](StackSettings& s, std::int64_t v) { s.tcp.delayed_ack = ms(v); }},
    {"quick_acks",
     [](StackSettings& s, std::int64_t v) { s.tcp.quick_acks = static_cast<std::uint8_t>(v); }},
    {"keepalive", [](StackSettings& s, std::int64_t v) { s.tcp.keepalive_idle = ms(v); }},
    {"keepalive_interval",
     [](StackSettings& s, std::int64_t v) { s.tcp.keepalive_interval = ms(v); }},
    {"keepalive_probes",
     [](StackSettings& s, std::int64_t v) {
       s.tcp.keepalive_probes = static_cast<std::uint8_t>(v);
     }},
    {"time_wait", [](StackSettings& s, std::int64_t v) { s.tcp.time_wait = ms(v); }},
    {"time_wait_max",
     [](StackSettings& s, std::int64_t v) { s.tcp.time_wait_max = static_cast<std::uint32_t>(v); }},
    {"linger", [](StackSettings& s, std::int64_t v) { s.tcp.linger = ms(v); }},
    {"orphan_time", [](StackSettings& s, std::int64_t v) { s.tcp.orphan_time = ms(v); }},
    {"orphans_max",
     [](StackSettings& s, std::int64_t v) { s.tcp.orphans_max = static_cast<std::uint32_t>(v); }},
    {"connections_max",
     [](StackSettings& s, std::int64_t v) {
       s.tcp.connections_max = static_cast<std::uint32_t>(v);
     }},
    {"syn_cache_max",
     [](StackSettings& s, std::int64_t v) { s.tcp.syn_cache_max = static_cast<std::uint32_t>(v); }},
    {"syn_retries",
     [](StackSettings& s, std::int64_t v) { s.tcp.syn_retries = static_cast<std::uint32_t>(v); }},
    {"syn_cookies", [](StackSettings& s, std::int64_t v) { s.tcp.syn_cookies = v != 0; }},
    {"receive_window",
     [](StackSettings& s, std::int64_t v) {
       s.tcp.receive_window = s.tcp.receive_window_max = static_cast<std::uint32_t>(v);
     }},
    {"receive_window_max",
     [](StackSettings& s, std::int64_t v) {
       s.tcp.receive_window_max = static_cast<std::uint32_t>(v);
     }},
    {"reset_given_up", [](StackSettings& s, std::int64_t v) { s.tcp.reset_given_up = v != 0; }},
    {"probe_with_data", [](StackSettings& s, std::int64_t v) { s.tcp.probe_with_data = v != 0; }},
    {"send_queue_max",
     [](StackSettings& s, std::int64_t v) { s.tcp.send_queue_max = static_cast<std::size_t>(v); }},
    {"initial_window",
     [](StackSettings& s,
        std::int64_t v) { s.tcp.initial_window_segments = static_cast<std::uint32_t>(v); }},
    {"reset_late_data", [](StackSettings& s, std::int64_t v) { s.tcp.reset_late_data = v != 0; }},
};

using Tuner = std::function<void(Tuning&, std::int64_t)>;

// Calls about one connection.
const std::map<std::string, Tuner> tunings = {
    {"nagle", [](Tuning& t, std::int64_t v) { t.nagle = v != 0; }},
    {"cork", [](Tuning& t, std::int64_t v) { t.cork = v != 0; }},
    {"reno", [](Tuning& t, std::int64_t v) { t.reno = v != 0; }},
    {"user_timeout", [](Tuning& t, std::int64_t v) { t.user_timeout = ms(v); }},
    {"keepalive", [](Tuning& t, std::int64_t v) { t.keepalive_idle = ms(v); }},
    {"mss_max", [](Tuning& t, std::int64_t v) { t.mss_max = static_cast<std::uint16_t>(v); }},
};

const std::map<std::string, std::uint64_t Counters::*> counters = {
    {"retransmits", &Counters::retransmits},
    {"timeouts", &Counters::timeouts},
    {"fast_recoveries", &Counters::fast_recoveries},
    {"recoveries_undone", &Counters::recoveries_undone},
    {"tail_probes", &Counters::tail_probes},
    {"window_probes", &Counters::window_probes},
    {"spurious_retransmits", &Counters::spurious_retransmits},
    {"ecn_reductions", &Counters::ecn_reductions},
    {"path_mtu_lowered", &Counters::path_mtu_lowered},
    {"black_holes", &Counters::black_holes},
    {"timed_out", &Counters::timed_out},
    {"resets_in", &Counters::resets_in},
    {"resets_out", &Counters::resets_out},
    {"resets_limited", &Counters::resets_limited},
    {"cookies_sent", &Counters::cookies_sent},
    {"cookies_accepted", &Counters::cookies_accepted},
    {"cookies_wrong", &Counters::cookies_wrong},
    {"syn_dropped", &Counters::syn_dropped},
    {"syn_cache_expired", &Counters::syn_cache_expired},
    {"refused_full", &Counters::refused_full},
    {"time_wait_reused", &Counters::time_wait_reused},
    {"time_wait_evicted", &Counters::time_wait_evicted},
    {"challenge_acks", &Counters::challenge_acks},
    {"challenge_acks_limited", &Counters::challenge_acks_limited},
    {"old_timestamps", &Counters::dropped_old_timestamp},
    {"outside_window", &Counters::dropped_outside_window},
    {"bad_acks", &Counters::dropped_bad_ack},
    {"malformed", &Counters::dropped_malformed},
    {"no_connection", &Counters::dropped_no_connection},
    {"held", &Counters::out_of_order_held},
    {"icmp_believed", &Counters::icmp_believed},
    {"icmp_ignored", &Counters::icmp_ignored},
    {"duplicates", &Counters::duplicate_segments},
};

constexpr std::pair<const char*, State> states[] = {
    {"syn_sent", State::syn_sent},       {"syn_received", State::syn_received},
    {"established", State::established}, {"fin_wait_1", State::fin_wait_1},
    {"fin_wait_2", State::fin_wait_2},   {"close_wait", State::close_wait},
    {"closing", State::closing},         {"last_ack", State::last_ack}};

constexpr std::pair<const char*, io::CloseReason> reasons[] = {
    {"peer_closed", io::CloseReason::peer_closed},
    {"reset", io::CloseReason::reset},
    {"local", io::CloseReason::local},
    {"failed", io::CloseReason::failed}};

template <typename Table, typename Value>
std::string word_of(const Table& table, Value value) {
  for (const auto& [word, one] : table) {
    if (one == value) return word;
  }
  return "?";
}

// "mss 1000 win 500 sack ts wscale 7" after "established" and "connected".
struct Opening {
  std::string mss = "1000";
  std::string window = "65535";
  std::string options;  // behind the MSS
  bool timestamps = false;

  static std::optional<Opening> parse(const std::vector<std::string>& words) {
    Opening opening;
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "sack") {
        opening.options += ",sackOK";
      } else if (words[i] == "ts") {
        opening.options += ",ts 1000";
        opening.timestamps = true;
      } else if (i + 1 == words.size()) {
        return std::nullopt;
      } else if (words[i] == "wscale") {
        opening.options += ",wscale " + words[++i];
      } else if (words[i] == "mss") {
        opening.mss = words[++i];
      } else if (words[i] == "win") {
        opening.window = words[++i];
      } else {
        return std::nullopt;
      }
    }
    return opening;
  }
  std::string syn_options() const { return "<mss " + mss + options + ">"; }
};

}  // namespace

User::Connection* Player::current() {
  auto& all = world().user.connections;
  if (all.empty()) return nullptr;
  return &all[chosen_ ? current_ : all.size() - 1];
}

std::string Player::set(const Words& words) {
  if (words.size() != 3) return "set NAME NUMBER";
  if (world_) return "settings stand before everything else";
  const auto value = evaluate(words[2], names());
  if (!value) return value.error().message;
  if (words[1] == "peer_isn") {
    main_.peer_isn = static_cast<std::uint32_t>(*value);
    return "";
  }
  const auto found = setters.find(words[1]);
  if (found == setters.end()) return "no setting '" + words[1] + "'";
  found->second(settings_, *value);
  return "";
}

std::string Player::call(const Words& words) {
  const std::string& what = words.front();
  if (what == "only" || what == "wait") return "";
  if (what == "set") return set(words);
  if (what == "half_close") {
    half_close_ = true;
    return "";
  }
  if (what == "listen") {
    const auto port = world().stack.tcp().listen(us_, main_.our_port);
    return port ? "" : port.error().message;
  }
  if (what == "connect") {
    main_.peer_port = 80;
    const auto name = world().stack.connect(peer_, main_.peer_port);
    if (!name) return name.error().message;
    main_.our_port = world().stack.tcp().flow_of(*name).local_port;
    return "";
  }
  if (what == "established" || what == "connected") return open_connection(words);
  if (what == "expect") return expect(words);
  if (what == "discard") {
    while (take_segment()) {
    }
    return "";
  }
  return use_connection(words);
}

void Player::pass_time(Duration by) {
  time_ += by;
  world_->run(time_, false);
}

// The handshake, so that a script can begin behind it.
std::string Player::open_connection(const Words& words) {
  const auto opening = Opening::parse(words);
  if (!opening) return "which options?";
  const bool active = words.front() == "connected";
  if (auto wrong = call({active ? "connect" : "listen"}); !wrong.empty()) return wrong;
  world_->turn();
  if (active && !take_segment()) return "no SYN has left";
  if (active) pass_time(round_trip);
  Words syn = {active ? "S." : "S", "seq", "0", "win", opening->window, opening->syn_options()};
  if (active) syn.insert(syn.end(), {"ack", "1"});
  if (auto wrong = arrives_once(syn); !wrong.empty()) return wrong;
  const auto answer = take_segment();
  if (!answer) return "the SYN was not answered";
  main_.timestamps = opening->timestamps && settings_.tcp.timestamps;
  if (!active) {
    pass_time(round_trip);
    if (auto wrong = arrives_once({".", "seq", "1", "ack", "1", "win", opening->window});
        !wrong.empty()) {
      return wrong;
    }
  }
  return world_->user.connections.empty() ? "the connection was not opened" : "";
}

std::string Player::use_connection(const Words& words) {
  const std::string& what = words.front();
  const auto number =
      words.size() > 1 ? evaluate(words[1], names()) : Result<std::int64_t>(std::int64_t{0});
  if (!number) return number.error().message;
  if (what == "use") {
    current_ = static_cast<std::size_t>(*number);
    chosen_ = true;
    return current_ < world().user.connections.size() ? "" : "there is no such connection";
  }
  User::Connection* connection = current();
  if (connection == nullptr) return "there is no connection";
  Tcp& tcp = world_->stack.tcp();
  const ConnectionName name = connection->name;
  if (what == "send") {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(*number));
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = stream_byte(connection->sent + i);
    const Bytes chunks[] = {bytes};
    const std::size_t taken = tcp.send(name, chunks);
    connection->sent += taken;
    return taken == bytes.size() ? "" : "the bytes were not taken";
  }
  if (what == "send_refused") {
    const std::vector<std::uint8_t> bytes(static_cast<std::size_t>(*number));
    const Bytes chunks[] = {bytes};
    return tcp.send(name, chunks) == 0 ? "" : "the bytes were taken";
  }
  if (what == "pause") return tcp.pause_receive(name), "";
  if (what == "resume") return tcp.resume_receive(name), "";
  if (what == "close") return tcp.close(name, io::CloseMode::graceful), "";
  if (what == "abort") return tcp.close(name, io::CloseMode::abort), "";
  if (what == "shutdown") return tcp.shutdown_send(name), "";
  if (const auto tuned = tunings.find(what); tuned != tunings.end()) {
    Tuning tuning = tcp.tuning(name);
    tuned->second(tuning, *number);
    return tcp.tune(name, tuning), "";
  }
  return "no call '" + what + "'";
}

std::optional<std::int64_t> Player::number_of(const std::string& what) {
  const Tcp& tcp = world().stack.tcp();
  if (const auto found = counters.find(what); found != counters.end()) {
    return static_cast<std::int64_t>(tcp.counters().*found->second);
  }
  if (what == "opened") return static_cast<std::int64_t>(world_->user.connections.size());
  if (what == "open") return static_cast<std::int64_t>(tcp.open_connections());
  if (what == "half_open") return static_cast<std::int64_t>(tcp.half_open());
  if (what == "time_waits") return static_cast<std::int64_t>(tcp.time_waits());
  if (what == "orphans") return static_cast<std::int64_t>(tcp.orphans());
  if (what == "control_blocks") return static_cast<std::int64_t>(tcp.control_blocks());
  if (what == "timers") return static_cast<std::int64_t>(tcp.armed_timers());
  if (what == "buffers") return static_cast<std::int64_t>(tcp.buffers_in_use());
  const User::Connection* connection = current();
  if (connection == nullptr) return std::nullopt;
  if (what == "received") return static_cast<std::int64_t>(connection->received);
  if (what == "writable") return connection->writable;
  const auto info = tcp.info(connection->name);
  if (!info) return std::nullopt;
  if (what == "window") return info->receive_window;
  if (what == "cwnd") return info->congestion_window;
  if (what == "ssthresh") return info->slow_start_threshold;
  if (what == "mss") return info->mss;
  if (what == "queued") return info->queued;
  if (what == "in_flight") return info->in_flight;
  if (what == "send_window") return info->send_window;
  if (what == "rto_ms") return info->timeout / std::chrono::milliseconds(1);
  if (what == "sack_agreed") return info->sack;
  if (what == "ts_agreed") return info->timestamps;
  if (what == "ecn_agreed") return info->ecn;
  if (what == "scaling_agreed") return info->scaling;
  return std::nullopt;
}

std::string Player::expect_number(const std::string& what, Range wanted) {
  const auto have = number_of(what);
  if (!have) return "no number '" + what + "'";
  if (*have >= wanted.least && *have <= wanted.most) return "";
  return what + " is " + std::to_string(*have) + ", not " + std::to_string(wanted.least) +
         (wanted.least == wanted.most ? "" : " to " + std::to_string(wanted.most));
}

std::string Player::expect(const Words& words) {
  const User& user = world().user;
  const User::Connection* connection = current();
  if (connection != nullptr && connection->corrupt) return "the bytes are not those sent";
  if (words.size() == 2 && words[1] == "idle") {
    for (const char* what : {"timers", "buffers"}) {
      if (auto wrong = expect_number(what, {0, 0}); !wrong.empty()) return wrong;
    }
    const Tcp& tcp = world_->stack.tcp();
    return tcp.senders() + tcp.receivers() == 0 ? "" : "memory is held";
  }
  if (words.size() == 2 && words[1] == "finished") {
    return connection != nullptr && connection->finished ? "" : "the user was not told";
  }
  if (words.size() == 2 && words[1] == "unfinished") {
    return connection != nullptr && !connection->finished ? "" : "the user was told";
  }
  if (words.size() == 2 && words[1] == "not_closed") {
    return connection != nullptr && !connection->closed ? "" : "it is closed";
  }
  if (words.size() != 3) return "expect WHAT VALUE";
  if (words[1] == "state") {
    const auto info =
        connection == nullptr ? std::nullopt : world_->stack.tcp().info(connection->name);
    const std::string have = info ? word_of(states, info->state) : "gone";
    return have == words[2] ? "" : "the state is " + have;
  }
  if (words[1] == "closed") {
    const auto reason = connection != nullptr ? connection->closed : std::nullopt;
    const std::string have = reason                ? word_of(reasons, *reason)
                             : user.failed.empty() ? "not closed"
                                                   : word_of(reasons, user.failed.back());
    return have == words[2] ? "" : "it is " + have;
  }
  // "5", or "5..9" for what is drawn.
  const std::size_t dots = words[2].find("..");
  const auto least = evaluate(words[2].substr(0, dots), names());
  const auto most =
      dots == std::string::npos ? least : evaluate(words[2].substr(dots + 2), names());
  if (!least || !most) return (least ? most : least).error().message;
  return expect_number(words[1], {*least, *most});
}

}  // namespace godwit::dataplane::tcp::script
