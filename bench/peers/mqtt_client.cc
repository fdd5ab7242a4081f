// SPDX-License-Identifier: Apache-2.0
#include "bench/peers/mqtt_client.h"

namespace godwit::bench {

namespace {

// Table 2.1, with the flags of table 2.2 where they are fixed.
constexpr std::uint8_t connect_packet = 0x10;
constexpr std::uint8_t connack_packet = 0x20;
constexpr std::uint8_t publish_packet = 0x30;
constexpr std::uint8_t puback_packet = 0x40;
constexpr std::uint8_t subscribe_packet = 0x82;
constexpr std::uint8_t suback_packet = 0x90;
constexpr std::uint8_t pingreq_packet = 0xc0;
constexpr std::uint8_t pingresp_packet = 0xd0;

constexpr std::uint8_t duplicate_flag = 0x08;
constexpr std::uint8_t quality_mask = 0x06;
constexpr std::uint8_t quality_1 = 0x02;

constexpr std::size_t length_bytes_max = 4;

void put_u16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8 & 0xff));
  out.push_back(static_cast<char>(value & 0xff));
}

void put_text(std::string& out, std::string_view text) {
  put_u16(out, text.size());
  out.append(text);
}

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

std::uint16_t u16_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint16_t>(byte_at(text, i) << 8 | byte_at(text, i + 1));
}

std::string topic_of(const std::string& user) {
  return "to/" + user;
}

}  // namespace

MqttClient::MqttClient(const Ledger::Options& options, Quality quality)
    : PeerClient(options), quality_(quality) {
  std::string body;
  put_text(body, "MQTT");
  body.push_back(4);  // 3.1.1
  body.push_back(2);  // clean session
  put_u16(body, keep_alive_s);
  put_text(body, ledger().user());
  packet(connect_packet, body);
}

void MqttClient::packet(std::uint8_t first, std::string_view body) {
  std::string head(1, static_cast<char>(first));
  std::size_t length = body.size();
  do {
    const auto low = static_cast<char>(length & 0x7f);
    length >>= 7;
    head.push_back(length > 0 ? static_cast<char>(low | 0x80) : low);
  } while (length > 0);
  say(head);
  say(body);
}

Result<std::size_t> MqttClient::next(std::string_view text) {
  std::size_t length = 0;
  std::size_t start = 1;
  for (;; ++start) {
    if (start > length_bytes_max) return fail(ErrorCode::malformed, "a length of five bytes");
    if (start >= text.size()) return 0;
    length |= static_cast<std::size_t>(byte_at(text, start) & 0x7f) << (7 * (start - 1));
    if ((byte_at(text, start) & 0x80) == 0) break;
  }
  ++start;
  if (start + length > unit_size_max) return fail(ErrorCode::malformed, "a packet too large");
  if (text.size() < start + length) return 0;
  if (auto done = on_packet(byte_at(text, 0), text.substr(start, length)); !done) {
    return std::unexpected(done.error());
  }
  return start + length;
}

Result<void> MqttClient::on_packet(std::uint8_t first, std::string_view body) {
  if ((first & 0xf0) == publish_packet) return on_publish(first & 0x0f, body);
  if (first == puback_packet && body.size() == 2) {
    const auto expected = static_cast<std::uint16_t>(acknowledged_ % 0xffff + 1);
    if (acknowledged_ == published_ || u16_at(body, 0) != expected) {
      return fail(ErrorCode::corrupt, "an acknowledgement out of turn");
    }
    ++acknowledged_;
    return {};
  }
  if (first == connack_packet && body.size() == 2) {
    if (body[1] != 0) return fail(ErrorCode::refused, "the broker refuses the connection");
    std::string subscribe;
    put_u16(subscribe, 1);
    put_text(subscribe, topic_of(ledger().user()));
    subscribe.push_back(static_cast<char>(quality_));
    packet(subscribe_packet, subscribe);
    return {};
  }
  if (first == suback_packet && body.size() == 3) {
    if (byte_at(body, 2) != static_cast<std::uint8_t>(quality_)) {
      return fail(ErrorCode::refused, "the broker grants another quality of service");
    }
    become_ready();
    return {};
  }
  if (first == pingresp_packet && body.empty()) {
    ++pongs_;
    return {};
  }
  return fail(ErrorCode::malformed, "a packet that nobody asked for");
}

Result<void> MqttClient::on_publish(std::uint8_t flags, std::string_view body) {
  const bool acknowledged = quality_ == Quality::at_least_once;
  if ((flags & duplicate_flag) != 0) return fail(ErrorCode::corrupt, "a message sent again");
  if ((flags & quality_mask) != (acknowledged ? quality_1 : 0)) {
    return fail(ErrorCode::corrupt, "a message of another quality of service");
  }
  const std::size_t identifier = acknowledged ? 2 : 0;
  if (body.size() < 2 || body.size() < 2U + u16_at(body, 0) + identifier) {
    return fail(ErrorCode::malformed, "a message shorter than its head");
  }
  const std::size_t start = 2U + u16_at(body, 0);
  if (body.substr(2, start - 2) != topic_of(ledger().user())) {
    return fail(ErrorCode::corrupt, "a message for someone else");
  }
  if (acknowledged) packet(puback_packet, body.substr(start, identifier));
  return arrived(body.substr(start + identifier));
}

void MqttClient::write(unsigned messages) {
  const bool acknowledged = quality_ == Quality::at_least_once;
  for (; messages > 0; --messages) {
    std::string body;
    put_text(body, topic_of(ledger().partner()));
    // Identifiers 1 … 65535 in turn: far more than are ever on their way.
    if (acknowledged) put_u16(body, published_++ % 0xffff + 1);
    body.append(ledger().next());
    packet(static_cast<std::uint8_t>(publish_packet | (acknowledged ? quality_1 : 0)), body);
  }
}

void MqttClient::ping() {
  packet(pingreq_packet, {});
}

}  // namespace godwit::bench
