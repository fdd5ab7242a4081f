// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/machine.h"

#include <algorithm>

namespace godwit::packetdrill {

using namespace dataplane::tcp;

namespace {

constexpr Duration wait_max = std::chrono::minutes(10);  // of virtual time, for one call
constexpr auto blocked_max = std::chrono::seconds(20);   // of real time, for another thread's
constexpr auto settle_max = std::chrono::seconds(1);

// As the system's: Nagle unless told otherwise, late data refused, closed windows probed with an
// old number, silent peers given up after 15 timeouts (of a SYN 6) and not told.
StackSettings stack_settings(const MachineSettings& settings) {
  StackSettings stack;
  stack.network.link = LinkMode::raw_ip;
  stack.network.any_address = true;
  stack.network.addresses = {{settings.local, 128}};
  stack.tcp.nagle = true;
  stack.tcp.reset_late_data = true;
  stack.tcp.linger = std::chrono::seconds(60);
  stack.tcp.probe_with_data = false;
  stack.tcp.reset_given_up = false;
  stack.tcp.find_black_holes = false;
  stack.tcp.rto_max = std::chrono::seconds(120);
  stack.tcp.give_up = std::chrono::milliseconds(924'600);
  stack.tcp.give_up_syn = std::chrono::seconds(127);
  stack.tcp.mss_floor = 48;
  stack.tcp.acks_beyond_one_segment = true;
  stack.tcp.receive_window = 65535;
  stack.tcp.receive_window_max = 65535U << 8;
  return stack;
}

}  // namespace

Machine::Machine(const MachineSettings& settings, Events events)
    : settings_(settings),
      driver_(std::this_thread::get_id()),
      events_(events),
      stack_(stack_settings(settings), 0, random_, *this) {}

Tuning Machine::default_tuning() const {
  return Tuning(stack_settings(settings_).tcp);
}

void Machine::turn() {
  stack_.expire(now_, events_);
  stack_.flush(now_, events_);
}

// Runs what is due up to `until`, or until `done`. The time is then `until` unless it was.
bool Machine::run(Instant until, const std::function<bool()>& done) {
  while (!done()) {
    const Instant due = std::min(stack_.next_deadline(), until);
    if (due >= until && now_ >= until) return false;
    now_ = std::max(now_, due);
    turn();
  }
  return true;
}

bool Machine::wait(Lock& lock, const std::function<bool()>& done, Instant until) {
  turn();
  if (done()) return true;
  if (std::this_thread::get_id() == driver_) return run(std::min(until, now_ + wait_max), done);
  const auto waiter = waiters_.insert(waiters_.end(), Waiter{&done, until});
  settled_.notify_all();
  changed_.wait_for(lock, blocked_max, [&] { return done() || now_ >= until; });
  waiters_.erase(waiter);
  settled_.notify_all();
  return done();
}

bool Machine::anybody_can_end() const {
  return std::ranges::any_of(
      waiters_, [&](const Waiter& waiter) { return (*waiter.done)() || now_ >= waiter.until; });
}

void Machine::settle(Lock& lock) {
  if (waiters_.empty()) return;
  changed_.notify_all();
  settled_.wait_for(lock, settle_max, [&] { return !anybody_can_end(); });
}

void Machine::advance(Lock& lock, Duration by) {
  const Instant end = now_ + by;
  while (now_ < end) {
    run(std::min(end, std::max(now_, stack_.next_deadline())), [] { return false; });
    settle(lock);
  }
}

bool Machine::take_packet(Lock& lock, Bytes packet) {
  const std::size_t version = packet.empty() ? 0 : packet[0] >> 4;
  if (version != 4 && version != 6) return false;
  std::vector<std::uint8_t> bytes(packet.begin(), packet.end());
  const auto parsed = version == 4 ? parse_ipv4(bytes, true) : parse_ipv6(bytes);
  // Where the tool sends to is where we are.
  if (parsed && !is_multicast(parsed->destination)) settings_.local = parsed->destination;
  in_packet_ = true;
  stack_.receive(bytes, {}, now_, events_);
  turn();
  in_packet_ = false;
  settle(lock);
  return true;
}

std::optional<Machine::Sent> Machine::next_packet(Lock& lock) {
  settle(lock);
  turn();
  run(now_ + wait_max, [&] { return !sent_.empty() || anybody_can_end(); });
  settle(lock);
  turn();
  if (sent_.empty()) run(now_ + wait_max, [&] { return !sent_.empty(); });
  if (sent_.empty()) return std::nullopt;
  Sent next = std::move(sent_.front());
  sent_.pop_front();
  return next;
}

}  // namespace godwit::packetdrill
