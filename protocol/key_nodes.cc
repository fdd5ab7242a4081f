// SPDX-License-Identifier: Apache-2.0
#include "protocol/key_nodes.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace godwit::protocol {
namespace {

constexpr std::unexpected<ParseError> malformed{ParseError::malformed};

// One element of the two levels that there are: its name, its attributes and its bytes.
struct Element {
  std::string_view name;
  Bytes bytes;
  std::uint32_t numbers[8] = {};  // by Number
  bool has[8] = {};
  std::string user;  // of jid
  std::uint16_t device = 0;
  bool has_jid = false;
};
enum Number : std::size_t {
  id,
  generation,
  registration,
  one_time,
  kem,
  signed_,
  last_resort,
  numbers_
};
constexpr std::string_view number_names[] = {"id",  "generation", "registration", "one-time",
                                             "kem", "signed",     "last-resort"};
static_assert(std::size(number_names) == numbers_);

bool take_attribute(Element& element, const NodeReader& reader, Context context) {
  const NodeValue& value = reader.value();
  if (reader.name() == "jid") {
    if (value.kind != ValueKind::jid || value.jid.domain != context.own_domain) return false;
    element.user = value.jid.user;
    element.device = value.jid.device;
    element.has_jid = true;
    return true;
  }
  const auto* const name = std::ranges::find(number_names, reader.name());
  if (name == std::end(number_names)) return true;  // of a later version
  if (value.kind != ValueKind::number) return false;
  const auto place = static_cast<std::size_t>(name - std::begin(number_names));
  element.numbers[place] = value.number;
  element.has[place] = true;
  return true;
}

// Calls `visit(element)` for each child, with its bytes, after the root was read; the root is
// returned. Elements below the second level are malformed.
template <typename Visit>
Parsed<Element> read_elements(Bytes node, Context context, Visit&& visit) {
  NodeReader reader(node, context);
  Element root;
  Element child;
  for (;;) {
    switch (reader.next()) {
      case NodeEvent::element:
        if (reader.depth() > 2) return malformed;
        if (reader.depth() == 1) {
          root.name = reader.name();
        } else {
          child = {.name = reader.name()};
        }
        break;
      case NodeEvent::attribute:
        if (!take_attribute(reader.depth() == 1 ? root : child, reader, context)) return malformed;
        break;
      case NodeEvent::bytes:
        if (reader.depth() == 1) return malformed;
        child.bytes = reader.bytes();
        break;
      case NodeEvent::close:
        if (reader.depth() == 2 && !visit(child)) return malformed;
        break;
      case NodeEvent::end:
        return root;
      case NodeEvent::error:
        return std::unexpected(reader.error());
    }
  }
}

// False when the bytes have another size.
bool take_key(DirectoryKey& key, const Element& element, std::size_t key_size, bool is_signed) {
  const std::size_t size = key_size + (is_signed ? key_signature_size : 0);
  if (!element.has[id] || element.bytes.size() != size) return false;
  key = {.id = element.numbers[id],
         .key = element.bytes.first(key_size),
         .signature = element.bytes.subspan(key_size)};
  return true;
}

bool take_one(std::optional<DirectoryKey>& key, const Element& element, std::size_t key_size,
              bool is_signed) {
  if (key) return false;
  return take_key(key.emplace(), element, key_size, is_signed);
}

bool take_more(std::vector<DirectoryKey>& keys, const Element& element, std::size_t key_size,
               bool is_signed, std::size_t most) {
  DirectoryKey key;
  if (keys.size() == most || !take_key(key, element, key_size, is_signed)) return false;
  if (std::ranges::find(keys, key.id, &DirectoryKey::id) != keys.end()) return false;
  keys.push_back(key);
  return true;
}

bool take_identity(Bytes& identity, const Element& element) {
  if (!identity.empty() || element.bytes.size() != ec_key_size) return false;
  identity = element.bytes;
  return true;
}

Parsed<PrekeyUpload> read_upload(Bytes node, Context context) {
  PrekeyUpload upload;
  const auto root = read_elements(node, context, [&](const Element& element) {
    if (element.name == "identity") return take_identity(upload.identity, element);
    if (element.name == "signed") return take_one(upload.signed_key, element, ec_key_size, true);
    if (element.name == "last-resort") {
      return take_one(upload.last_resort, element, kem_key_size, true);
    }
    if (element.name == "one-time") {
      return take_more(upload.one_time, element, ec_key_size, false, one_time_keys_per_upload_max);
    }
    if (element.name == "kem") {
      return take_more(upload.kem, element, kem_key_size, true, kem_keys_per_upload_max);
    }
    return true;
  });
  if (!root) return std::unexpected(root.error());
  upload.generation = root->numbers[generation];
  upload.registration = root->numbers[registration];
  if (upload.generation == 0) return malformed;
  return upload;
}

NodeWriter& write_key(NodeWriter& node, std::string_view name, const DirectoryKey& key) {
  std::vector<std::uint8_t> bytes(key.key.begin(), key.key.end());
  bytes.insert(bytes.end(), key.signature.begin(), key.signature.end());
  node.open(name).attribute("id", key.id);
  return node.bytes(bytes).close();
}

bool write_about(ByteWriter& out, std::string_view name, const JidView& jid, Context context) {
  NodeWriter node(out, context);
  node.open(name).attribute("jid", jid).close();
  return node.ok();
}

constexpr auto ignore = [](const Element&) { return true; };

}  // namespace

bool is_key_question(Bytes node, Context context) {
  NodeReader reader(node, context);
  if (reader.next() != NodeEvent::element) return false;
  return reader.name() == "prekeys" || reader.name() == "devices" || reader.name() == "bundle";
}

Parsed<KeyQuestion> read_key_question(Bytes node, bool set, Context context) {
  KeyQuestion question;
  if (set) {
    auto upload = read_upload(node, context);
    if (!upload) return std::unexpected(upload.error());
    question.upload = std::move(*upload);
    question.kind = KeyQuestionKind::upload;
  }
  const auto root = read_elements(node, context, ignore);
  if (!root) return std::unexpected(root.error());
  if (root->name == "prekeys") {
    if (!set) question.kind = KeyQuestionKind::count;
    return question;
  }
  if (set || !root->has_jid || root->user.empty()) return malformed;
  question.user = root->user;
  question.device = root->device;
  if (root->name == "devices" && root->device == 0) {
    question.kind = KeyQuestionKind::devices;
  } else if (root->name == "bundle" && root->device != 0) {
    question.kind = KeyQuestionKind::bundle;
  } else {
    return malformed;
  }
  return question;
}

bool write_upload(ByteWriter& out, const PrekeyUpload& upload, Context context) {
  NodeWriter node(out, context);
  node.open("prekeys").attribute("generation", upload.generation);
  node.attribute("registration", upload.registration);
  if (!upload.identity.empty()) node.open("identity").bytes(upload.identity).close();
  if (upload.signed_key) write_key(node, "signed", *upload.signed_key);
  if (upload.last_resort) write_key(node, "last-resort", *upload.last_resort);
  for (const DirectoryKey& key : upload.one_time) write_key(node, "one-time", key);
  for (const DirectoryKey& key : upload.kem) write_key(node, "kem", key);
  node.close();
  return node.ok();
}

bool write_count_question(ByteWriter& out, Context context) {
  NodeWriter node(out, context);
  node.open("prekeys").close();
  return node.ok();
}

bool write_devices_question(ByteWriter& out, std::string_view user, Context context) {
  return write_about(out, "devices", {.user = user, .domain = context.own_domain}, context);
}

bool write_bundle_question(ByteWriter& out, const JidView& device, Context context) {
  return write_about(out, "bundle", device, context);
}

bool write_count(ByteWriter& out, const PrekeyCount& count, Context context) {
  NodeWriter node(out, context);
  node.open("prekeys").attribute("generation", count.generation);
  node.attribute("one-time", count.one_time).attribute("kem", count.kem);
  node.attribute("signed", count.signed_id).attribute("last-resort", count.last_resort_id);
  node.close();
  return node.ok();
}

bool write_devices(ByteWriter& out, std::string_view user,
                   const std::vector<DirectoryDevice>& devices, Context context) {
  NodeWriter node(out, context);
  node.open("devices").attribute("jid", JidView{.user = user, .domain = context.own_domain});
  for (const DirectoryDevice& device : devices) {
    node.open("device").attribute("id", std::uint32_t{device.device});
    node.attribute("registration", device.registration).bytes(device.identity).close();
  }
  node.close();
  return node.ok();
}

bool write_bundle(ByteWriter& out, const JidView& device, const DirectoryBundle& bundle,
                  Context context) {
  NodeWriter node(out, context);
  node.open("bundle").attribute("jid", device).attribute("registration", bundle.registration);
  node.open("identity").bytes(bundle.identity).close();
  write_key(node, "signed", bundle.signed_key);
  write_key(node, "kem", bundle.kem);
  if (bundle.one_time) write_key(node, "one-time", *bundle.one_time);
  node.close();
  return node.ok();
}

bool write_keys_low(ByteWriter& out, const PrekeyCount& count, Context context) {
  NodeWriter node(out, context);
  node.open("keys-low").attribute("one-time", count.one_time).attribute("kem", count.kem).close();
  return node.ok();
}

bool write_identity_changed(ByteWriter& out, const JidView& device, Context context) {
  return write_about(out, "identity-changed", device, context);
}

Parsed<PrekeyCount> read_count(Bytes node, Context context) {
  const auto root = read_elements(node, context, ignore);
  if (!root) return std::unexpected(root.error());
  if (root->name != "prekeys" || !root->has[generation]) return malformed;
  return PrekeyCount{.generation = root->numbers[generation],
                     .one_time = root->numbers[one_time],
                     .kem = root->numbers[kem],
                     .signed_id = root->numbers[signed_],
                     .last_resort_id = root->numbers[last_resort]};
}

Parsed<std::vector<DirectoryDevice>> read_devices(Bytes node, Context context) {
  std::vector<DirectoryDevice> devices;
  const auto root = read_elements(node, context, [&](const Element& element) {
    if (element.name != "device") return true;
    const std::uint32_t number = element.numbers[id];
    if (number == 0 || number > device_max || element.bytes.size() != ec_key_size) return false;
    if (devices.size() == devices_per_account_max) return false;
    devices.push_back({.device = static_cast<std::uint16_t>(number),
                       .registration = element.numbers[registration],
                       .identity = element.bytes});
    return true;
  });
  if (!root) return std::unexpected(root.error());
  if (root->name != "devices") return malformed;
  return devices;
}

Parsed<DirectoryBundle> read_bundle(Bytes node, Context context) {
  DirectoryBundle bundle;
  std::optional<DirectoryKey> signed_key;
  std::optional<DirectoryKey> kem_key;
  const auto root = read_elements(node, context, [&](const Element& element) {
    if (element.name == "identity") return take_identity(bundle.identity, element);
    if (element.name == "signed") return take_one(signed_key, element, ec_key_size, true);
    if (element.name == "kem") return take_one(kem_key, element, kem_key_size, true);
    if (element.name == "one-time") return take_one(bundle.one_time, element, ec_key_size, false);
    return true;
  });
  if (!root) return std::unexpected(root.error());
  if (root->name != "bundle" || bundle.identity.empty() || !signed_key || !kem_key) {
    return malformed;
  }
  bundle.registration = root->numbers[registration];
  bundle.signed_key = *signed_key;
  bundle.kem = *kem_key;
  return bundle;
}

Parsed<KeyNotice> read_key_notice(Bytes node, Context context) {
  const auto root = read_elements(node, context, ignore);
  if (!root) return std::unexpected(root.error());
  if (root->name == "keys-low") return KeyNotice{.kind = KeyNoticeKind::keys_low};
  if (root->name != "identity-changed" || !root->has_jid || root->device == 0) return malformed;
  return KeyNotice{
      .kind = KeyNoticeKind::identity_changed, .user = root->user, .device = root->device};
}

}  // namespace godwit::protocol
