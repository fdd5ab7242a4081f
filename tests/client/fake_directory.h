// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <expected>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/sealer.h"
#include "crypto/signal/device_tag.h"
#include "protocol/key_nodes.h"

// A key directory in memory, which believes everything: as much of one as clients need.

namespace godwit::client::test {

class FakeDirectory {
 public:
  using Answer = std::expected<std::vector<std::uint8_t>, protocol::Condition>;

  bool failing = false;
  std::size_t uploads = 0;
  std::size_t lists = 0;    // asked for
  std::size_t bundles = 0;  // asked for

  Answer ask(const protocol::Jid& from, const Question& question, WallTime) {
    using protocol::KeyQuestionKind;
    if (failing) return std::unexpected(protocol::Condition::internal_server_error);
    const auto read = protocol::read_key_question(question.node, question.set, context_);
    if (!read) return std::unexpected(protocol::Condition::bad_request);
    std::vector<std::uint8_t> node(protocol::iq_node_size_max);
    ByteWriter out(node);
    bool written = true;
    switch (read->kind) {
      case KeyQuestionKind::upload:
        take_upload(devices_[{from.user, from.device}], read->upload);
        ++uploads;
        break;
      case KeyQuestionKind::count:
        written = protocol::write_count(out, count(from.user, from.device), context_);
        break;
      case KeyQuestionKind::devices: {
        ++lists;
        std::vector<protocol::DirectoryDevice> list;
        for (const auto& [name, device] : devices_) {
          if (name.first == read->user && device.generation > 0) {
            list.push_back({name.second, device.registration, device.identity});
          }
        }
        if (list.empty()) return std::unexpected(protocol::Condition::item_not_found);
        written = protocol::write_devices(out, read->user, list, context_);
        break;
      }
      case KeyQuestionKind::bundle: {
        ++bundles;
        const auto found = devices_.find({read->user, read->device});
        if (found == devices_.end()) return std::unexpected(protocol::Condition::item_not_found);
        written = write_bundle(out, *read, found->second);
        break;
      }
    }
    if (!written) return std::unexpected(protocol::Condition::internal_server_error);
    node.resize(out.size());
    return node;
  }

  protocol::PrekeyCount count(const std::string& user, std::uint16_t number) {
    const Device& device = devices_[{user, number}];
    return {.generation = device.generation,
            .one_time = static_cast<std::uint32_t>(device.one_time.size()),
            .kem = static_cast<std::uint32_t>(device.kem.size()),
            .signed_id = device.signed_key.id,
            .last_resort_id = device.last_resort.id};
  }
  void take_keys(const std::string& user, std::uint16_t number, std::size_t count) {
    Device& device = devices_[{user, number}];
    for (; count > 0; --count) {
      device.one_time.erase(device.one_time.begin());
      device.kem.erase(device.kem.begin());
    }
  }
  // As a home compares it.
  std::vector<protocol::DeviceTag> tags(const std::string& user) const {
    std::vector<protocol::DeviceTag> list;
    for (const auto& [name, device] : devices_) {
      if (name.first != user || device.generation == 0) continue;
      list.push_back({name.second, crypto::signal::device_tag(name.second, device.identity)});
    }
    return list;
  }
  void remove(const std::string& user, std::uint16_t number) { devices_.erase({user, number}); }
  void forget(const std::string& user, std::uint16_t number) { remove(user, number); }

 private:
  struct Key {
    std::uint32_t id = 0;
    std::vector<std::uint8_t> key, signature;
    protocol::DirectoryKey view() const { return {.id = id, .key = key, .signature = signature}; }
  };
  struct Device {
    std::uint32_t generation = 0;
    std::uint32_t registration = 0;
    std::vector<std::uint8_t> identity;
    Key signed_key, last_resort;
    std::map<std::uint32_t, Key> one_time, kem;
  };

  static Key copy(const protocol::DirectoryKey& key) {
    return {key.id, {key.key.begin(), key.key.end()}, {key.signature.begin(), key.signature.end()}};
  }
  static void take_upload(Device& device, const protocol::PrekeyUpload& upload) {
    device.generation = upload.generation;
    device.registration = upload.registration;
    if (!upload.identity.empty()) {
      device.identity.assign(upload.identity.begin(), upload.identity.end());
    }
    if (upload.signed_key) device.signed_key = copy(*upload.signed_key);
    if (upload.last_resort) device.last_resort = copy(*upload.last_resort);
    for (const auto& key : upload.one_time) device.one_time[key.id] = copy(key);
    for (const auto& key : upload.kem) device.kem[key.id] = copy(key);
  }
  bool write_bundle(ByteWriter& out, const protocol::KeyQuestion& question, Device& device) const {
    protocol::DirectoryBundle bundle{.registration = device.registration,
                                     .identity = device.identity,
                                     .signed_key = device.signed_key.view(),
                                     .kem = device.last_resort.view()};
    const auto kem = device.kem.begin();
    const auto one_time = device.one_time.begin();
    if (kem != device.kem.end()) bundle.kem = kem->second.view();
    if (one_time != device.one_time.end()) bundle.one_time = one_time->second.view();
    const bool written = protocol::write_bundle(
        out, {.user = question.user, .domain = "localhost", .device = question.device}, bundle,
        context_);
    if (kem != device.kem.end()) device.kem.erase(kem);
    if (one_time != device.one_time.end()) device.one_time.erase(one_time);
    return written;
  }

  const protocol::Context context_{"localhost"};
  std::map<std::pair<std::string, std::uint16_t>, Device> devices_;
};

}  // namespace godwit::client::test
