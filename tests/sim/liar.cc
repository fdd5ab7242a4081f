// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/liar.h"

#include <algorithm>
#include <utility>

#include "protocol/frame.h"
#include "protocol/preamble.h"
#include "tests/sim/ledger.h"

namespace godwit::sim {

using dataplane::io::CloseMode;

Liar::Liar(const Options& options, protocol::Jid jid, crypto::KeyPair key)
    : options_(options),
      jid_(std::move(jid)),
      key_(std::move(key)),
      random_(options.seed),
      backend_(options.network, {.shard = options.number}) {}

std::size_t Liar::step(Now now) {
  const std::size_t events = backend_.poll(now, 64, now.instant, *this);
  if (gone_) return events;
  if (state_ == State::away && random_.below(10) == 0) connect();
  if (state_ == State::logged_in && random_.below(3) == 0) say_something();
  if (state_ != State::away && random_.below(100) == 0) {
    backend_.close(name_, random_.below(2) == 0 ? CloseMode::abort : CloseMode::graceful);
    state_ = State::away;
  }
  return events + 1;
}

void Liar::leave() {
  gone_ = true;
  backend_.close(name_, CloseMode::abort);
  state_ = State::away;
}

void Liar::connect() {
  name_ = *backend_.connect({"127.0.0.1", 5210});
  input_.clear();
  state_ = State::handshake;
  reads_ = random_.below(3) != 0;
}

void Liar::on_closed(ConnectionName name, std::uint64_t, dataplane::io::CloseReason) {
  if (name == name_) state_ = State::away;
}

void Liar::on_open(ConnectionName name, bool) {
  if (name != name_ || state_ != State::handshake) return;
  const auto preamble = protocol::encode({.pattern = protocol::HandshakePattern::ik,
                                          .suite = protocol::HandshakeSuite::chachapoly_blake2b});
  noise_.emplace(*crypto::NoiseHandshake::start({.pattern = crypto::NoisePattern::ik,
                                                 .suite = *crypto::suite_from_byte(2),
                                                 .initiator = true,
                                                 .prologue = preamble,
                                                 .local_static = &key_,
                                                 .remote_static = options_.node_key}));
  std::array<std::uint8_t, 200> bytes;
  std::ranges::copy(preamble, bytes.begin());
  const auto size = noise_->write_message({}, MutableBytes(bytes).subspan(7), random_);
  GODWIT_CHECK(size.has_value());
  protocol::write_frame_length(MutableBytes(bytes).subspan(4), *size);
  send(Bytes(bytes).first(7 + *size));
}

void Liar::on_bytes(ConnectionName name, std::uint64_t, MutableBytes lease) {
  options_.trace.bytes(lease);
  if (name != name_) return;
  if (state_ == State::logged_in) {
    if (!reads_) backend_.pause_receive(name_);
    return;
  }
  input_.insert(input_.end(), lease.begin(), lease.end());
  const auto split = protocol::split_frame(input_, protocol::handshake_frame_limits);
  if (split.status != protocol::SplitStatus::complete) return;
  std::array<std::uint8_t, protocol::handshake_message_size_max> payload;
  const MutableBytes body = protocol::frame_body(MutableBytes(input_), split);
  if (!noise_->read_message(body.subspan(1), payload) || !noise_->finished()) return;
  send_key_ = std::move(noise_->finish().send);
  state_ = State::logged_in;
  std::array<std::uint8_t, 300> bytes;
  ByteWriter out(bytes);
  const std::array<std::uint64_t, 4> sequences{0, 1, std::uint64_t{1} << 40, UINT64_MAX};
  GODWIT_CHECK(protocol::write(
      out, protocol::Login{.jid = jid_,
                           .last_sequence = sequences[random_.below(sequences.size())],
                           .window = static_cast<std::uint32_t>(1 + random_.below(300))}));
  say(out.written());
}

void Liar::say_something() {
  if (random_.below(30) == 0) {  // bytes that are no frame
    std::array<std::uint8_t, 40> bytes;
    random_.fill(bytes);
    return send(Bytes(bytes).first(1 + random_.below(bytes.size())));
  }
  std::array<std::uint8_t, 4000> bytes;
  ByteWriter out(bytes);
  for (std::uint64_t count = 1 + random_.below(5); count > 0; --count) write_stanza(out);
  if (out.size() > 0) say(out.written());
}

void Liar::write_stanza(ByteWriter& out) {
  const std::string& user = options_.users[random_.below(options_.users.size())];
  const protocol::JidView peer{user, options_.domain, 0};
  const protocol::Context context{options_.domain};
  switch (random_.below(20)) {
    case 0:
      protocol::write(out, protocol::Ack{.upto = random_.below(5)});
      break;
    case 1:  // most of what it could say ends its session: not too often
      if (random_.below(4) == 0) protocol::write(out, protocol::Ack{.upto = 1'000'000});
      break;
    case 2:
      protocol::write(out, protocol::Ack{.refusal = static_cast<std::uint32_t>(random_.below(50))});
      break;
    case 3:
      protocol::write(out, protocol::Window{static_cast<std::uint32_t>(1 + random_.below(20))});
      break;
    case 4:
      protocol::write_ping(out, {random_.next_u64()});
      break;
    case 5:
      protocol::write(out, protocol::Presence{.peer = peer}, context);
      break;
    case 6:
      protocol::write(out, protocol::Iq{.id = random_.below(9), .peer = peer}, context);
      break;
    case 7:
      if (random_.below(8) == 0) protocol::write_empty(out, protocol::StanzaType::backlog_end);
      break;
    default: {
      // Ids that stand still, jump, or go back.
      const std::uint64_t jump = random_.below(6);
      const std::uint64_t id = jump == 0 ? 1 + random_.below(last_id_ + 1) : last_id_ + jump - 1;
      last_id_ = std::max(last_id_, id);
      const bool passing = random_.below(5) == 0;
      protocol::write(out,
                      protocol::Message{.id = std::max<std::uint64_t>(id, 1),
                                        .peer = peer,
                                        .ephemeral = passing,
                                        .payload = as_bytes(passing ? passing_lie : "a lie")},
                      context);
    }
  }
}

void Liar::say(Bytes plain) {
  std::vector<std::uint8_t> frame(protocol::length_prefix_size + plain.size() +
                                  crypto::aead_tag_size);
  protocol::write_frame_length(frame, plain.size() + crypto::aead_tag_size);
  GODWIT_CHECK(crypto::seal(send_key_, {}, plain,
                            MutableBytes(frame).subspan(protocol::length_prefix_size)));
  send(frame);
}

// What finds no room is lost, and the frame after it does not open: another lie.
void Liar::send(Bytes bytes) {
  options_.trace.bytes(bytes);
  backend_.send(name_, {&bytes, 1});
}

}  // namespace godwit::sim
