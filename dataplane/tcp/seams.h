// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <concepts>
#include <memory>
#include <type_traits>

#include "dataplane/io/stream.h"
#include "dataplane/tcp/wire/segment.h"

// What a stack calls: the sink its segments leave by, and the handler of its events. Both are views
// of objects that outlive the call (the handler) or the stack (the sink). They cost an indirect
// call for each segment and event, and keep the stack out of headers.

namespace godwit::dataplane::tcp {

// Copies what it is given before it returns. Must not call the stack.
template <typename S>
concept SegmentSink = requires(S sink, const SegmentOut& segment) {
  { sink.transmit(segment) } -> std::same_as<void>;
};

// One whose packets may be of other sizes where they leave from other addresses. For one that is
// not, the settings' MTU holds.
template <typename S>
concept SinkOfSeveralMtus = requires(const S sink, const IpAddress& local) {
  { sink.mtu_from(local) } -> std::same_as<std::uint32_t>;
};

class SinkView {
 public:
  template <SegmentSink Sink>
  requires(!std::same_as<Sink, SinkView>) explicit SinkView(Sink& sink)
      : object_(std::addressof(sink)), transmit_([](void* object, const SegmentOut& segment) {
          static_cast<Sink*>(object)->transmit(segment);
        }) {
    if constexpr (SinkOfSeveralMtus<Sink>) {
      mtu_from_ = [](void* object, const IpAddress& local) {
        return static_cast<const Sink*>(object)->mtu_from(local);
      };
    }
  }

  void transmit(const SegmentOut& segment) const { transmit_(object_, segment); }
  std::uint32_t mtu_from(const IpAddress& local, std::uint32_t usual) const {
    return mtu_from_ == nullptr ? usual : mtu_from_(object_, local);
  }

 private:
  void* object_;
  void (*transmit_)(void*, const SegmentOut&);
  std::uint32_t (*mtu_from_)(void*, const IpAddress&) = nullptr;
};

// A handler that has on_peer_finished(name, user) is told of the peer's FIN and may go on sending
// until it closes. For one that has not, the peer's FIN is the peer's close (stream.h, rule 8).
template <typename H>
concept HalfCloseHandler = requires(H handler, ConnectionName name, std::uint64_t user) {
  { handler.on_peer_finished(name, user) } -> std::same_as<void>;
};

class Events {
 public:
  template <io::StreamHandler Handler>
  requires(!std::same_as<std::remove_cvref_t<Handler>, Events>)
      Events(Handler& handler)  // NOLINT: a handler is handed over as it is
      : object_(std::addressof(handler)), calls_(&calls_of<Handler>) {}

  void on_open(ConnectionName name, bool connected) const {
    calls_->on_open(object_, name, connected);
  }
  void on_bytes(ConnectionName name, std::uint64_t user, MutableBytes lease) const {
    calls_->on_bytes(object_, name, user, lease);
  }
  void on_writable(ConnectionName name, std::uint64_t user) const {
    calls_->on_writable(object_, name, user);
  }
  void on_closed(ConnectionName name, std::uint64_t user, io::CloseReason reason) const {
    calls_->on_closed(object_, name, user, reason);
  }
  bool knows_half_close() const { return calls_->on_peer_finished != nullptr; }
  void on_peer_finished(ConnectionName name, std::uint64_t user) const {
    calls_->on_peer_finished(object_, name, user);
  }

 private:
  struct Calls {
    void (*on_open)(void*, ConnectionName, bool);
    void (*on_bytes)(void*, ConnectionName, std::uint64_t, MutableBytes);
    void (*on_writable)(void*, ConnectionName, std::uint64_t);
    void (*on_closed)(void*, ConnectionName, std::uint64_t, io::CloseReason);
    void (*on_peer_finished)(void*, ConnectionName, std::uint64_t);
  };

  template <typename Handler>
  static constexpr auto peer_finished_of() -> void (*)(void*, ConnectionName, std::uint64_t) {
    if constexpr (HalfCloseHandler<Handler>) {
      return [](void* object, ConnectionName name, std::uint64_t user) {
        static_cast<Handler*>(object)->on_peer_finished(name, user);
      };
    } else {
      return nullptr;
    }
  }
  template <typename Handler>
  static constexpr Calls calls_of{
      [](void* object, ConnectionName name, bool connected) {
        static_cast<Handler*>(object)->on_open(name, connected);
      },
      [](void* object, ConnectionName name, std::uint64_t user, MutableBytes lease) {
        static_cast<Handler*>(object)->on_bytes(name, user, lease);
      },
      [](void* object, ConnectionName name, std::uint64_t user) {
        static_cast<Handler*>(object)->on_writable(name, user);
      },
      [](void* object, ConnectionName name, std::uint64_t user, io::CloseReason reason) {
        static_cast<Handler*>(object)->on_closed(name, user, reason);
      },
      peer_finished_of<Handler>()};

  void* object_;
  const Calls* calls_;
};

}  // namespace godwit::dataplane::tcp
