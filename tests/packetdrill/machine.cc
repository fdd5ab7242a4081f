// SPDX-License-Identifier: Apache-2.0
#include "tests/packetdrill/machine.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

namespace godwit::packetdrill {

using namespace dataplane::tcp;

namespace {

constexpr Duration wait_max = std::chrono::minutes(10);  // of virtual time, for one call
// Of real time. The tool waits a second for a call that blocks, and then gives up.
constexpr auto settle_max = std::chrono::seconds(1);
constexpr auto silence = std::chrono::milliseconds(500);
constexpr int silences_max = 40;
constexpr Duration own_time = std::chrono::seconds(1);  // of virtual time, in a silence
constexpr Duration grain = std::chrono::microseconds(500);

// As the system's: Nagle unless told otherwise, late data refused, closed windows probed with an
// old number, silent peers given up after 15 timeouts (of a SYN 6) and not told.
StackSettings stack_settings(const MachineSettings& settings) {
  StackSettings stack;
  stack.network.link = LinkMode::raw_ip;
  stack.network.any_address = true;
  stack.network.addresses = {{settings.local_v4, 128}, {settings.local_v6, 128}};
  if (settings.ask_for_ecn) stack.tcp.ecn = EcnMode::request;
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
  stack.tcp.delay_fin_acks = true;
  stack.tcp.drop_without_timestamp = false;
  stack.tcp.push_bursts = true;
  stack.tcp.receive_window = 65535;
  stack.tcp.receive_window_max = 65535U << 8;
  return stack;
}

}  // namespace

Machine::Machine(const MachineSettings& settings, Events events)
    : settings_(settings),
      driver_(std::this_thread::get_id()),
      driver_number_(::gettid()),
      events_(events),
      stack_(stack_settings(settings), 0, random_, *this) {}

Tuning Machine::default_tuning() const {
  return Tuning(stack_settings(settings_).tcp);
}

Instant Machine::stack_time() const {
  return now_ - now_.time_since_epoch() % grain;
}

Instant Machine::next_timer() {
  const Instant due = stack_.next_deadline();
  if (due == never) return never;
  const Duration over = due.time_since_epoch() % grain;
  return over == Duration{0} ? due : due + (grain - over);
}

void Machine::turn() {
  stack_.expire(stack_time(), events_);
  stack_.flush(stack_time(), events_);
}

// Runs what is due up to `until`, or until `done`. The time is then `until` unless it was.
bool Machine::run(Instant until, const std::function<bool()>& done) {
  while (!done()) {
    const Instant due = std::min(next_timer(), until);
    if (due >= until && now_ >= until) return false;
    now_ = std::max(now_, due);
    turn();
  }
  return true;
}

Machine::Lock Machine::lock() {
  Lock lock(mutex_);
  if (std::this_thread::get_id() == driver_) {
    ++driver_calls_;
  } else if (returning_.erase(std::this_thread::get_id()) > 0) {
    settled_.notify_all();
  }
  return lock;
}

bool Machine::wait(Lock& lock, const std::function<bool()>& done, Instant until) {
  turn();
  if (done()) return true;
  if (std::this_thread::get_id() == driver_) return run(std::min(until, now_ + wait_max), done);
  const auto waiter = waiters_.insert(waiters_.end(), Waiter{&done, until});
  returning_.erase(std::this_thread::get_id());  // a call may wait more than once
  settled_.notify_all();
  be_driven(lock, *waiter);
  waiters_.erase(waiter);
  returning_.insert(std::this_thread::get_id());
  settled_.notify_all();
  return done();
}

void Machine::be_driven(Lock& lock, const Waiter& waiter) {
  const auto ends = [&] { return (*waiter.done)() || now_ >= waiter.until; };
  for (int silences = 0; !ends() && silences < silences_max;) {
    const std::uint64_t calls = driver_calls_;
    if (changed_.wait_for(lock, silence, ends)) return;
    silences = driver_calls_ == calls && driver_sleeps() ? silences + 1 : 0;
    if (silences == 1) run(std::min(waiter.until, now_ + own_time), *waiter.done);
  }
}

// It waits for something; else it may only be short of a processor.
bool Machine::driver_sleeps() const {
  std::ifstream file("/proc/self/task/" + std::to_string(driver_number_) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'S';
}

bool Machine::anybody_can_end() const {
  return std::ranges::any_of(
      waiters_, [&](const Waiter& waiter) { return (*waiter.done)() || now_ >= waiter.until; });
}

void Machine::settle(Lock& lock) {
  if (waiters_.empty() && returning_.empty()) return;
  changed_.notify_all();
  settled_.wait_for(lock, settle_max, [&] { return !anybody_can_end() && returning_.empty(); });
  returning_.clear();  // who is silent for that long does not ask for the time
}

// Where something may happen next: a timer of the stack's, or of a call that waits.
Instant Machine::next_stop(Instant end) {
  Instant stop = std::min(end, next_timer());
  for (const Waiter& waiter : waiters_) {
    if (waiter.until > now_) stop = std::min(stop, waiter.until);
  }
  return std::max(stop, now_);
}

void Machine::advance(Lock& lock, Duration by) {
  const Instant end = now_ + by;
  while (now_ < end) {
    run(next_stop(end), [] { return false; });
    settle(lock);
  }
}

bool Machine::take_packet(Lock& lock, Bytes packet) {
  const std::size_t version = packet.empty() ? 0 : packet[0] >> 4;
  if (version != 4 && version != 6) return false;
  std::vector<std::uint8_t> bytes(packet.begin(), packet.end());
  const auto parsed = version == 4 ? parse_ipv4(bytes, true) : parse_ipv6(bytes);
  // Where the tool sends to is where we are.
  if (parsed && !is_multicast(parsed->destination)) {
    (version == 4 ? settings_.local_v4 : settings_.local_v6) = parsed->destination;
  }
  in_packet_ = true;
  stack_.receive(bytes, {}, stack_time(), events_);
  turn();
  in_packet_ = false;
  settle(lock);
  return true;
}

std::optional<Machine::Sent> Machine::next_packet(Lock& lock) {
  settle(lock);
  turn();
  const Instant end = now_ + wait_max;
  while (sent_.empty() && now_ < end) {
    run(next_stop(end), [&] { return !sent_.empty(); });
    settle(lock);
    turn();
  }
  if (sent_.empty()) return std::nullopt;
  Sent next = std::move(sent_.front());
  sent_.pop_front();
  return next;
}

}  // namespace godwit::packetdrill
