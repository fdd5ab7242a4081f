// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/sim_disk.h"
#include "tests/sim/trace.h"

// Stands outside and knows what was sent, accepted, refused and shown. It checks each event as it
// comes:
//   shown:    a message that was sent to this device, whole, once, and behind nothing of its sender
//             that is still to come;
//   accepted: every device it is for has been shown it or it is synced on the disk;
//   at the end: nothing is open, and every accepted message was shown to each device it was for.

namespace godwit::sim {

// What one that lies says in passing, in messages that are not kept.
inline constexpr std::string_view passing_lie = "a lie in passing";

class Ledger {
 public:
  struct Device {
    std::string jid;  // of the device
    std::string user;
    std::uint64_t account_id = 0;
    std::uint16_t device = 0;
    bool established = false;  // has had a session: its home knows it
  };

  Ledger(const SimDisk& disk, Trace& trace) : disk_(disk), trace_(trace) {}

  std::size_t add_device() {
    devices_.emplace_back();
    return devices_.size() - 1;
  }
  Device& device(std::size_t index) { return devices_[index]; }
  const Device& device(std::size_t index) const { return devices_[index]; }

  // The payload of a message about to be sent; says whose it is and which.
  std::string make_payload(std::size_t from, std::size_t size);
  // `id` is what the client gave it. `to_device` 0: every device of the account.
  void sent(std::size_t from, std::uint64_t id, const std::string& to_user, std::uint16_t to_device,
            const std::string& payload);
  void accepted(std::size_t from, std::uint64_t id);
  void refused(std::size_t from, std::uint64_t id);
  void shown(std::size_t to, const std::string& from_jid, std::uint64_t id,
             const std::string& payload);

  // Why it is not over yet; empty when all that was sent is settled and all accepted is shown.
  std::string open_matters() const;

  std::size_t sent_count() const { return sent_count_; }
  std::size_t accepted_count() const { return accepted_count_; }
  std::size_t refused_count() const { return refused_count_; }
  std::size_t shown_count() const { return shown_count_; }

 private:
  enum class Fate : std::uint8_t { open, accepted, refused };
  struct Sent {
    std::string to_user;
    std::uint16_t to_device = 0;
    std::string payload;
    std::vector<std::size_t> required;  // devices
    std::set<std::size_t> shown;
    Fate fate = Fate::open;
  };
  using Messages = std::map<std::uint64_t, Sent>;  // of one sender, by id

  bool is_for(const Sent& sent, std::size_t device) const;
  bool is_synced(const Sent& sent, std::size_t device) const;
  std::string name(std::size_t from, std::uint64_t id) const;

  const SimDisk& disk_;
  Trace& trace_;
  std::vector<Device> devices_;
  std::map<std::size_t, Messages> messages_;
  std::map<std::pair<std::string, std::size_t>, std::uint64_t> last_shown_;  // sender, receiver
  std::uint64_t payloads_ = 0;
  std::size_t sent_count_ = 0;
  std::size_t accepted_count_ = 0;
  std::size_t refused_count_ = 0;
  std::size_t shown_count_ = 0;
};

}  // namespace godwit::sim
