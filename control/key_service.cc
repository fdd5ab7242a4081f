// SPDX-License-Identifier: Apache-2.0
#include "control/key_service.h"

#include <algorithm>
#include <utility>

namespace godwit::control {

using protocol::IqType;
using protocol::KeyQuestionKind;
using queues::Command;
using queues::CommandKind;

namespace {

std::expected<void, protocol::Condition> refuse(protocol::Condition condition) {
  return std::unexpected(condition);
}

protocol::DirectoryKey view_of(const KeyDirectory::Bundle::Key& key, std::size_t key_size) {
  return {.id = key.id,
          .key = Bytes(key.bytes).first(key_size),
          .signature = Bytes(key.bytes).subspan(key_size)};
}

}  // namespace

KeyService::~KeyService() {
  for (Answer& answer : answers_) answer.command.take_buffer();
}

bool KeyService::is_for(const queues::ServerIq& iq, std::string_view domain) {
  return protocol::is_key_question(iq.node, {domain});
}

bool KeyService::ask(const queues::ServerIq& iq, const Command& command, WallTime now) {
  queues::Buffer buffer = options_.pool.allocate(protocol::control_stanza_size_max);
  if (!buffer) return false;
  if (!in_batch_ && !failed_) {
    in_batch_ = options_.directory.begin_batch().has_value();
    failed_ = !in_batch_;
  }
  Answer answer{.shard = command.session.shard,
                .command = {.kind = CommandKind::server_iq_reply,
                            .number = command.number,
                            .session = command.session},
                .iq = iq.id};
  std::vector<std::uint8_t> node(protocol::iq_node_size_max);
  ByteWriter element(node);
  Reply reply = failed_ ? Reply(fail(ErrorCode::unavailable, "no transaction"))
                        : this->answer(iq, command, now, element);
  failed_ = failed_ || !reply;
  answer.command.buffer = buffer.release();
  if (reply && *reply) {
    ByteWriter out(MutableBytes{answer.command.buffer->data(), answer.command.buffer->capacity});
    GODWIT_CHECK(protocol::write(
        out, protocol::Iq{.type = IqType::result, .id = iq.id, .node = element.written()},
        {options_.domain}));
    answer.command.buffer->size = static_cast<std::uint32_t>(out.size());
  } else {
    write_error(answer, reply ? reply->error() : Condition::internal_server_error);
  }
  answers_.push_back(answer);
  return true;
}

std::size_t KeyService::finish() {
  if (in_batch_) failed_ = !options_.directory.commit_batch() || failed_;
  if (!answers_.empty()) options_.counters.set(ControlMetric::key_store_failing, failed_ ? 1 : 0);
  // Before the answers, so that who asks for a list now finds the home knowing it. Also when it
  // failed: a home that has asked in between was told what is not so.
  for (const std::string& user : std::exchange(lists_changed_, {})) options_.announce(user);
  for (Answer& answer : answers_) {
    if (failed_) write_error(answer, Condition::internal_server_error);
    options_.post(answer.shard, answer.command);
  }
  const std::size_t count = answers_.size();
  answers_.clear();
  if (!failed_) {
    for (Notice& notice : new_notices_) notices_.push_back(std::move(notice));
    while (notices_.size() > notices_max) notices_.pop_front();
  }
  new_notices_.clear();
  in_batch_ = false;
  failed_ = false;
  return count;
}

void KeyService::write_error(Answer& answer, Condition condition) {
  queues::BufferBlock& block = *answer.command.buffer;
  ByteWriter out(MutableBytes{block.data(), block.capacity});
  GODWIT_CHECK(protocol::write(out, protocol::StanzaError{.kind = protocol::StanzaType::iq,
                                                          .id = answer.iq,
                                                          .number = answer.command.number,
                                                          .condition = condition}));
  block.size = static_cast<std::uint32_t>(out.size());
}

auto KeyService::answer(const queues::ServerIq& iq, const Command& command, WallTime now,
                        ByteWriter& out) -> Reply {
  const protocol::Context context{options_.domain};
  const bool set = static_cast<IqType>(iq.type) == IqType::set;
  const auto question = protocol::read_key_question(iq.node, set, context);
  if (!question) return refuse(Condition::bad_request);
  const auto asker = options_.accounts.find(iq.user);
  if (!asker) return std::unexpected(asker.error());
  if (!*asker) return refuse(Condition::item_not_found);
  switch (question->kind) {
    case KeyQuestionKind::upload:
      return upload(**asker, command, question->upload, now);
    case KeyQuestionKind::count: {
      const auto count = options_.directory.count({(*asker)->id, command.sender_device});
      if (!count) return std::unexpected(count.error());
      GODWIT_CHECK(protocol::write_count(out, *count, context));
      return {};
    }
    default:
      break;
  }
  const auto target = options_.accounts.find(question->user);
  if (!target) return std::unexpected(target.error());
  if (!*target || (*target)->status == queues::AccountStatus::suspended) {
    return refuse(Condition::item_not_found);
  }
  if (std::ranges::find((*target)->blocks, iq.user) != (*target)->blocks.end()) {
    return refuse(Condition::service_unavailable);  // XEP-0191, 3.3: says no more than that
  }
  if (question->kind == KeyQuestionKind::devices) return devices(**target, out);
  return bundle(**asker, **target, question->device, now, out);
}

auto KeyService::upload(const Account& asker, const Command& command,
                        const protocol::PrekeyUpload& upload, WallTime now) -> Reply {
  const auto done = options_.directory.upload({asker.id, command.sender_device}, upload, now);
  if (!done) return std::unexpected(done.error());
  if (!*done) {
    options_.counters.add(ControlMetric::key_uploads_refused);
    return refuse(done->error());
  }
  options_.counters.add(ControlMetric::key_uploads);
  if ((*done)->list_changed) lists_changed_.insert(asker.user);
  if (!(*done)->identity_changed) return {};
  options_.counters.add(ControlMetric::identities_changed);
  auto told = options_.directory.contacts(asker.id, now);
  if (!told) return std::unexpected(told.error());
  if (std::ranges::find(*told, asker.user) == told->end()) told->push_back(asker.user);
  for (std::string& user : *told) {
    new_notices_.push_back(
        {.user = std::move(user), .about = asker.user, .about_device = command.sender_device});
  }
  return {};
}

// Those of the account that have uploaded keys.
auto KeyService::devices(const Account& target, ByteWriter& out) -> Reply {
  const auto found = options_.directory.devices(target.id);
  if (!found) return std::unexpected(found.error());
  std::vector<protocol::DirectoryDevice> list;
  for (const KeyDirectory::Device& device : *found) {
    if (std::ranges::find(target.devices, device.device, &Device::id) == target.devices.end()) {
      continue;
    }
    list.push_back({.device = device.device,
                    .registration = device.registration,
                    .identity = device.identity});
  }
  GODWIT_CHECK(protocol::write_devices(out, target.user, list, {options_.domain}));
  return {};
}

auto KeyService::bundle(const Account& asker, const Account& target, std::uint16_t device,
                        WallTime now, ByteWriter& out) -> Reply {
  if (std::ranges::find(target.devices, device, &Device::id) == target.devices.end()) {
    return refuse(Condition::item_not_found);
  }
  const auto taken = options_.directory.take_bundle({.account = asker.id, .user = asker.user},
                                                    {target.id, device}, now);
  if (!taken) return std::unexpected(taken.error());
  if (!*taken) {
    options_.counters.add(ControlMetric::bundles_refused);
    return refuse(taken->error());
  }
  const KeyDirectory::Bundle& bundle = **taken;
  options_.counters.add(ControlMetric::bundles_given);
  if (!bundle.one_time) options_.counters.add(ControlMetric::bundles_without_one_time);
  if (bundle.last_resort) options_.counters.add(ControlMetric::bundles_with_last_resort);
  // Once when the line is crossed, and again with the last one.
  const auto runs_low = [](bool one_less, std::uint32_t left) {
    return one_less && (left == KeyDirectory::low - 1 || left == 0);
  };
  if (runs_low(bundle.one_time.has_value(), bundle.left.one_time) ||
      runs_low(!bundle.last_resort, bundle.left.kem)) {
    new_notices_.push_back({.user = target.user, .device = device, .left = bundle.left});
  }
  protocol::DirectoryBundle answer{.registration = bundle.registration,
                                   .identity = bundle.identity,
                                   .signed_key = view_of(bundle.signed_key, protocol::ec_key_size),
                                   .kem = view_of(bundle.kem, protocol::kem_key_size)};
  if (bundle.one_time) answer.one_time = view_of(*bundle.one_time, protocol::ec_key_size);
  GODWIT_CHECK(protocol::write_bundle(
      out, {.user = target.user, .domain = options_.domain, .device = device}, answer,
      {options_.domain}));
  return {};
}

std::size_t KeyService::send_notices(std::size_t most) {
  std::size_t sent = 0;
  for (; sent < most && !notices_.empty(); ++sent) {
    const Notice& notice = notices_.front();
    std::array<std::uint8_t, 1024> bytes;
    ByteWriter element(bytes);
    const protocol::Context context{options_.domain};
    const protocol::JidView about{
        .user = notice.about, .domain = options_.domain, .device = notice.about_device};
    GODWIT_CHECK(notice.about.empty() ? protocol::write_keys_low(element, notice.left, context)
                                      : protocol::write_identity_changed(element, about, context));
    std::array<std::uint8_t, 1100> stanza;
    ByteWriter out(stanza);
    GODWIT_CHECK(protocol::write(
        out, protocol::Iq{.type = IqType::set, .id = ++notices_sent_, .node = element.written()},
        context));
    queues::Buffer buffer =
        options_.pool.allocate(queues::envelope_size(notice.user.size(), out.size()));
    if (!buffer) return sent;
    const std::size_t head =
        queues::write_envelope(buffer.writable(), notice.device, 0, true, notice.user);
    std::ranges::copy(out.written(), buffer.writable().begin() + static_cast<std::ptrdiff_t>(head));
    buffer.resize(head + out.size());
    const std::uint64_t hash = options_.hash_user(notice.user);
    // As a presence goes: to all devices that are connected, and nobody is told when none is.
    options_.post(options_.home_shard(hash),
                  {.kind = CommandKind::relay,
                   .detail = static_cast<std::uint8_t>(protocol::StanzaType::presence),
                   .account = hash,
                   .buffer = buffer.release()});
    options_.counters.add(ControlMetric::key_notices);
    notices_.pop_front();
  }
  return sent;
}

}  // namespace godwit::control
