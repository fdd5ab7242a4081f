// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/ledger.h"

#include <algorithm>

namespace godwit::sim {

namespace {

constexpr std::size_t mark_size = 23;

}  // namespace

std::string Ledger::name(std::size_t from, std::uint64_t id) const {
  return devices_[from].jid + " #" + std::to_string(id);
}

std::string Ledger::make_payload(std::size_t from, std::size_t size) {
  char mark[mark_size + 1];
  std::snprintf(mark, sizeof mark, "<sim:%04zx:%012llx>", from,
                static_cast<unsigned long long>(++payloads_));
  std::string payload(mark);
  while (payload.size() < size) payload += static_cast<char>('a' + payload.size() * from % 23);
  return payload;
}

void Ledger::sent(std::size_t from, std::uint64_t id, const std::string& to_user,
                  std::uint16_t to_device, const std::string& payload) {
  Messages& messages = messages_[from];
  if (!messages.empty() && messages.rbegin()->first >= id) {
    return trace_.fail(name(from, id) + ": the id was given out before");
  }
  Sent sent{.to_user = to_user, .to_device = to_device, .payload = payload};
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].established && is_for(sent, i)) sent.required.push_back(i);
  }
  trace_.note("sent " + name(from, id) + " to " + to_user + "/" + std::to_string(to_device));
  messages.emplace(id, std::move(sent));
  ++sent_count_;
}

bool Ledger::is_for(const Sent& sent, std::size_t device) const {
  return devices_[device].user == sent.to_user &&
         (sent.to_device == 0 || sent.to_device == devices_[device].device);
}

bool Ledger::is_synced(const Sent& sent, std::size_t device) const {
  const auto* mailbox = disk_.find(devices_[device].account_id, devices_[device].device);
  if (mailbox == nullptr) return false;
  const Bytes mark = as_bytes(sent.payload).first(mark_size);
  return std::ranges::any_of(*mailbox, [&](const auto& entry) {
    return std::ranges::search(entry.second.bytes, mark).begin() != entry.second.bytes.end();
  });
}

void Ledger::accepted(std::size_t from, std::uint64_t id) {
  trace_.note("accepted " + name(from, id));
  const auto found = messages_[from].find(id);
  if (found == messages_[from].end() || found->second.fate != Fate::open) {
    return trace_.fail(name(from, id) + " is accepted, but it is settled or was never sent");
  }
  Sent& sent = found->second;
  sent.fate = Fate::accepted;
  ++accepted_count_;
  for (const std::size_t device : sent.required) {
    if (sent.shown.contains(device) || is_synced(sent, device)) continue;
    trace_.fail(name(from, id) + " is accepted, but " + devices_[device].jid +
                " does not have it and it is not on the disk");
  }
}

void Ledger::refused(std::size_t from, std::uint64_t id) {
  trace_.note("refused " + name(from, id));
  const auto found = messages_[from].find(id);
  if (found == messages_[from].end() || found->second.fate != Fate::open) {
    return trace_.fail(name(from, id) + " is refused, but it is settled or was never sent");
  }
  found->second.fate = Fate::refused;
  ++refused_count_;
}

void Ledger::shown(std::size_t to, const std::string& from_jid, std::uint64_t id,
                   const std::string& payload) {
  const std::string what = from_jid + " #" + std::to_string(id);
  trace_.note("shown " + what + " to " + devices_[to].jid);
  ++shown_count_;
  if (payload == passing_lie) return;  // overtakes, by its nature
  std::uint64_t& last = last_shown_[{from_jid, to}];
  if (id <= last) {
    return trace_.fail(what + " is shown to " + devices_[to].jid + " after #" +
                       std::to_string(last));
  }
  last = id;
  const auto sender = std::ranges::find(devices_, from_jid, &Device::jid);
  if (sender == devices_.end()) return;  // one that lies
  const auto from = static_cast<std::size_t>(sender - devices_.begin());
  Messages& messages = messages_[from];
  const auto found = messages.find(id);
  if (found == messages.end()) return trace_.fail(what + " is shown, but was never sent");
  Sent& sent = found->second;
  if (!is_for(sent, to) || sent.payload != payload) {
    return trace_.fail(what + " is not what was sent, or not to " + devices_[to].jid);
  }
  sent.shown.insert(to);
  for (auto earlier = messages.begin(); earlier != found; ++earlier) {
    const Sent& other = earlier->second;
    if (other.fate == Fate::refused || other.shown.contains(to)) continue;
    if (std::ranges::find(other.required, to) == other.required.end()) continue;
    return trace_.fail(what + " overtakes #" + std::to_string(earlier->first) + " on its way to " +
                       devices_[to].jid);
  }
}

std::string Ledger::open_matters() const {
  for (const auto& [from, messages] : messages_) {
    for (const auto& [id, sent] : messages) {
      if (sent.fate == Fate::open) return name(from, id) + " is neither accepted nor refused";
      if (sent.fate == Fate::refused) continue;
      for (const std::size_t device : sent.required) {
        if (!sent.shown.contains(device)) {
          return name(from, id) + " was accepted and never shown to " + devices_[device].jid;
        }
      }
    }
  }
  return {};
}

}  // namespace godwit::sim
