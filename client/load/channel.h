// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "crypto/noise.h"
#include "protocol/frame.h"
#include "protocol/preamble.h"
#include "protocol/stanza.h"

// What every client of a load does with bytes, whatever it says in them: the handshake, then
// frames that are opened where they lie and taken apart into stanzas, and others that are sealed.
// It has no socket, and no buffer but for a frame that came in part. It takes the server's
// certificate as it comes. Not thread safe.

namespace godwit::client::load {

class LoadChannel {
 public:
  // Writes what leaves first behind `out`. `identity` and `random` outlive the handshake.
  LoadChannel(const crypto::KeyPair& identity, std::vector<std::uint8_t>& out, RandomSource& random,
              protocol::HandshakePattern pattern = protocol::HandshakePattern::xx_hfs);
  // With keys that both ends know beforehand, in place of a handshake.
  LoadChannel(crypto::TransportKey send, crypto::TransportKey receive)
      : send_(std::move(send)), receive_(std::move(receive)) {}

  // What arrived, decrypted where it lies; the handshake's answer goes behind `out`. A handler has
  //   on_open()                                once, when frames may leave
  //   Result<bool> on_refused(StreamCondition) instead of that
  //   Result<bool> on_stanza(const RawStanza&)
  // whose errors end it, as do those of what the server got wrong; after a false nothing more is
  // read.
  template <typename Handler>
  Result<void> on_bytes(MutableBytes bytes, std::vector<std::uint8_t>& out, Handler& handler) {
    if (partial_.empty()) [[likely]]
      return on_frames(bytes, out, handler);
    partial_.insert(partial_.end(), bytes.begin(), bytes.end());
    std::vector<std::uint8_t> all = std::exchange(partial_, {});
    return on_frames(all, out, handler);
  }

  // One frame, behind `out`. REQUIRES: the handshake is done, `plain` is not empty.
  void seal(Bytes plain, std::vector<std::uint8_t>& out);
  std::uint64_t frames_sent() const { return send_.counter; }

 private:
  template <typename Handler>
  Result<void> on_frames(MutableBytes bytes, std::vector<std::uint8_t>& out, Handler& handler) {
    while (!bytes.empty()) {
      const auto split =
          protocol::split_frame(bytes, noise_ ? protocol::hybrid_handshake_frame_limits
                                              : protocol::transport_frame_limits);
      if (split.status == protocol::SplitStatus::need_more) {
        partial_.assign(bytes.begin(), bytes.end());
        break;
      }
      if (split.status != protocol::SplitStatus::complete) {
        return fail(ErrorCode::malformed, "a frame of an impossible size");
      }
      const MutableBytes body = protocol::frame_body(bytes, split);
      bytes = bytes.subspan(split.wire_size);
      const Result<bool> more = noise_ ? on_handshake(body, out, handler) : on_frame(body, handler);
      if (!more) return std::unexpected(more.error());
      if (!*more) break;
    }
    return {};
  }

  template <typename Handler>
  Result<bool> on_handshake(Bytes message, std::vector<std::uint8_t>& out, Handler& handler) {
    if (const auto refusal = refusal_in(message)) return handler.on_refused(*refusal);
    if (auto done = finish_handshake(message, out); !done) return std::unexpected(done.error());
    handler.on_open();
    return true;
  }

  template <typename Handler>
  Result<bool> on_frame(MutableBytes body, Handler& handler) {
    const MutableBytes plain = body.first(body.size() - crypto::aead_tag_size);
    if (!crypto::open(receive_, {}, body, plain)) {
      return fail(ErrorCode::malformed, "a frame that does not open");
    }
    Bytes stanzas = plain;
    while (!stanzas.empty()) {
      const auto stanza = protocol::next_stanza(stanzas);
      if (!stanza) return fail(ErrorCode::malformed, "bytes that are no stanza");
      if (const Result<bool> more = handler.on_stanza(*stanza); !more || !*more) return more;
    }
    return true;
  }

  static std::optional<protocol::StreamCondition> refusal_in(Bytes message);
  Result<void> finish_handshake(Bytes message, std::vector<std::uint8_t>& out);
  void write_handshake(std::vector<std::uint8_t>& out);

  RandomSource* random_ = nullptr;
  std::unique_ptr<crypto::NoiseHandshake> noise_;  // until the handshake is done
  crypto::TransportKey send_;
  crypto::TransportKey receive_;
  std::vector<std::uint8_t> partial_;
};

}  // namespace godwit::client::load
