// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <span>
#include <utility>

#include "dataplane/home.h"

// What a sender is told whose message was encrypted for another list of devices than the account's
// (docs/decisions/0012-device-lists.md). The message goes to the devices it is for all the same.

namespace godwit::dataplane {

using queues::Command;
using queues::CommandKind;
using queues::Mailbox;
using queues::ShardMetric;

namespace {

// `gone` and a number, then number and tag of each device.
constexpr std::size_t device_list_size_max =
    2 + 1 + varint_size(UINT32_MAX) + protocol::devices_per_account_max * (3 + 4);

}  // namespace

// Devices that have published keys.
protocol::DeviceList Home::devices_with_keys(const Account& account) const {
  protocol::DeviceList list;
  for (const std::uint32_t device : devices_of(account)) {
    const Mailbox& mailbox = mailboxes_.at(device);
    if (mailbox.tag == 0 || list.count == list.devices.size()) continue;
    list.devices[list.count++] = {mailbox.device, mailbox.tag};
  }
  return list;
}

bool Home::is_for_others(const Account& account, const Command& command) const {
  if (command.detail == 0 || !account.tags_known) return false;
  return protocol::digest_of(devices_with_keys(account).list()) != command.sequence;
}

// Empty when there is no memory.
queues::Buffer Home::write_devices(const Account& account, const Command& command, bool gone) {
  queues::Buffer buffer = options_.pool.allocate(device_list_size_max);
  if (!buffer) return buffer;
  protocol::DeviceList list = devices_with_keys(account);
  list.number = command.number;
  list.gone = gone;
  std::ranges::sort(std::span(list.devices).first(list.count), {}, &protocol::DeviceTag::device);
  ByteWriter out(buffer.writable());
  GODWIT_CHECK(protocol::write(out, list));
  buffer.resize(out.size());
  counters_.add(ShardMetric::device_lists_sent);
  return buffer;
}

// Beside the answer to the message, so only while there is room for that of every message. A sender
// who does not hear of it hears with the next one.
void Home::tell_of_devices(const Account& account, const Command& command) {
  if (port_.pressed(command.session.shard)) return;
  queues::Buffer list = write_devices(account, command, false);
  if (!list) return;
  to_front({.kind = CommandKind::device_list,
            .number = command.number,
            .session = command.session,
            .buffer = list.release()});
}

// A message for a device that the account has no longer; its sender knew others, and is told. False
// when it could not be, or is one that would not understand.
bool Home::drop_for_gone(const Account& account, const Command& command) {
  if (command.detail == 0 || !account.tags_known) return false;
  queues::Buffer list = write_devices(account, command, true);
  if (!list) return false;
  queues::Buffer::adopt(command.buffer);
  port_.answer(command.session.shard, {.kind = CommandKind::device_list,
                                       .detail = 1,
                                       .number = command.number,
                                       .session = command.session,
                                       .buffer = list.release()});
  return true;
}

}  // namespace godwit::dataplane
