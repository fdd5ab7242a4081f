// SPDX-License-Identifier: Apache-2.0
#include "queues/records.h"

#include <algorithm>

namespace godwit::queues {

namespace {

// Both ends are this program, so what is written fits and what is read is whole: anything else is a
// broken invariant.
class RecordWriter {
 public:
  explicit RecordWriter(Buffer buffer)
      : buffer_(std::move(buffer)), out_(buffer_ ? buffer_.writable() : MutableBytes{}) {}

  ByteWriter& operator*() { return out_; }
  ByteWriter* operator->() { return &out_; }
  void text(std::string_view value) {
    out_.varint(value.size());
    out_.bytes(as_bytes(value));
  }
  Buffer finish() {
    if (!buffer_) return {};
    GODWIT_CHECK(out_.ok());
    buffer_.resize(out_.size());
    return std::move(buffer_);
  }

 private:
  Buffer buffer_;
  ByteWriter out_;
};

std::string_view read_text(ByteReader& in) {
  return as_text(in.take(in.varint()));
}

PublicKeyBytes read_key(ByteReader& in) {
  PublicKeyBytes key{};
  const Bytes bytes = in.take(key.size());
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

void check_whole(const ByteReader& in) {
  GODWIT_CHECK(in.ok() && in.at_end());
}

}  // namespace

std::size_t envelope_size(std::size_t user_size, std::size_t body_size) {
  return envelope_head_size + user_size + body_size;
}

std::size_t write_envelope(MutableBytes out, std::uint16_t to_device, std::uint8_t message_type,
                           bool ephemeral, std::string_view to_user) {
  ByteWriter writer(out);
  writer.u16(to_device);
  writer.u8(message_type);
  writer.u8(ephemeral ? 1 : 0);
  writer.u32(static_cast<std::uint32_t>(to_user.size()));
  writer.bytes(as_bytes(to_user));
  GODWIT_CHECK(writer.ok());
  return writer.size();
}

Buffer encode(BufferPool& pool, const AttachRequest& request) {
  RecordWriter out(pool.allocate(64 + request.user.size() + request.client.size()));
  out.text(request.user);
  out.text(request.client);
  out->u16(request.device);
  out->u32(request.window);
  out->u64(request.last_sequence);
  out->bytes(request.key);
  return out.finish();
}

AttachRequest decode_attach_request(Bytes bytes) {
  ByteReader in(bytes);
  AttachRequest request;
  request.user = read_text(in);
  request.client = read_text(in);
  request.device = in.u16();
  request.window = in.u32();
  request.last_sequence = in.u64();
  request.key = read_key(in);
  check_whole(in);
  return request;
}

Buffer encode(BufferPool& pool, const RegisterRequest& request) {
  RecordWriter out(
      pool.allocate(64 + request.user.size() + request.invite.size() + request.client.size()));
  out.text(request.user);
  out.text(request.invite);
  out.text(request.client);
  out->bytes(request.key);
  return out.finish();
}

RegisterRequest decode_register_request(Bytes bytes) {
  ByteReader in(bytes);
  RegisterRequest request;
  request.user = read_text(in);
  request.invite = read_text(in);
  request.client = read_text(in);
  request.key = read_key(in);
  check_whole(in);
  return request;
}

Buffer encode(BufferPool& pool, const ServerIq& iq) {
  RecordWriter out(pool.allocate(32 + iq.user.size() + iq.node.size()));
  out.text(iq.user);
  out->u8(iq.type);
  out->u64(iq.id);
  out->bytes(iq.node);
  return out.finish();
}

ServerIq decode_server_iq(Bytes bytes) {
  ByteReader in(bytes);
  ServerIq iq;
  iq.user = read_text(in);
  iq.type = in.u8();
  iq.id = in.u64();
  GODWIT_CHECK(in.ok());
  iq.node = in.take_rest();
  return iq;
}

Buffer encode(BufferPool& pool, const AccountRecord& record) {
  const std::size_t size =
      64 + record.user.size() + record.devices.size() * 38 + record.blocks.size() * 8;
  RecordWriter out(pool.allocate(size));
  out->u64(record.account_id);
  out->u8(static_cast<std::uint8_t>(record.status));
  out->u8(record.tags_known ? 1 : 0);
  out.text(record.user);
  out->varint(record.devices.size());
  for (const AccountRecord::Device& device : record.devices) {
    out->u16(device.id);
    out->u32(device.tag);
    out->bytes(device.key);
  }
  out->varint(record.blocks.size());
  for (const std::uint64_t block : record.blocks) out->u64(block);
  return out.finish();
}

AccountRecord decode_account_record(Bytes bytes) {
  ByteReader in(bytes);
  AccountRecord record;
  record.account_id = in.u64();
  record.status = static_cast<AccountStatus>(in.u8());
  record.tags_known = in.u8() != 0;
  record.user = read_text(in);
  record.devices.resize(in.varint());
  for (AccountRecord::Device& device : record.devices) {
    device.id = in.u16();
    device.tag = in.u32();
    device.key = read_key(in);
  }
  record.blocks.resize(in.varint());
  for (std::uint64_t& block : record.blocks) block = in.u64();
  check_whole(in);
  return record;
}

Buffer encode(BufferPool& pool, const SessionRow& row) {
  RecordWriter out(pool.allocate(64 + row.user.size() + row.client.size() + row.address.size()));
  out.text(row.user);
  out->u16(row.device);
  out.text(row.client);
  out.text(row.address);
  out->u64(row.connected_ms);
  out->u32(row.unacknowledged);
  return out.finish();
}

SessionRow decode_session_row(Bytes bytes) {
  ByteReader in(bytes);
  SessionRow row;
  row.user = read_text(in);
  row.device = in.u16();
  row.client = read_text(in);
  row.address = read_text(in);
  row.connected_ms = in.u64();
  row.unacknowledged = in.u32();
  check_whole(in);
  return row;
}

Buffer encode(BufferPool& pool, const QueueRow& row) {
  RecordWriter out(pool.allocate(64 + row.user.size()));
  out.text(row.user);
  out->u16(row.device);
  out->u8(row.connected ? 1 : 0);
  out->u64(row.in_memory);
  out->u64(row.in_store);
  out->u64(row.bytes);
  return out.finish();
}

QueueRow decode_queue_row(Bytes bytes) {
  ByteReader in(bytes);
  QueueRow row;
  row.user = read_text(in);
  row.device = in.u16();
  row.connected = in.u8() != 0;
  row.in_memory = in.u64();
  row.in_store = in.u64();
  row.bytes = in.u64();
  check_whole(in);
  return row;
}

}  // namespace godwit::queues
