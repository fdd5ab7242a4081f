// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "queues/command.h"
#include "queues/outbox.h"
#include "queues/spsc_ring.h"

namespace godwit::queues {

// A ring from every participant to every participant, itself included: shards 0 … n-1, then
// control. Made before the threads start and destroyed after they have ended.
class Mesh {
 public:
  Mesh(std::size_t participants, std::size_t ring_capacity) : participants_(participants) {
    rings_.reserve(participants * participants);
    for (std::size_t i = 0; i < participants * participants; ++i) {
      rings_.push_back(std::make_unique<SpscRing<Command>>(ring_capacity));
    }
  }

  std::size_t participants() const { return participants_; }
  SpscRing<Command>& ring(std::size_t from, std::size_t to) {
    return *rings_[from * participants_ + to];
  }

 private:
  const std::size_t participants_;
  std::vector<std::unique_ptr<SpscRing<Command>>> rings_;
};

// One participant's end of the mesh: posts to anyone, drains what came. Its thread only.
class CommandPort {
 public:
  // What may wait behind one full ring. A front lets its sessions have `outstanding_max` stanzas
  // outstanding in sum (dataplane/settings.h), each answered by one settled or refused command;
  // deliveries stop at half of this. So an answer always finds room.
  static constexpr std::size_t waiting_max = std::size_t{1} << 20;

  // `parkers` has one entry a participant.
  CommandPort(Mesh& mesh, std::size_t self, const std::vector<Parker*>& parkers)
      : mesh_(mesh), self_(self) {
    for (std::size_t to = 0; to < mesh.participants(); ++to) {
      outboxes_.push_back(
          std::make_unique<Outbox<Command>>(mesh.ring(self, to), *parkers[to], waiting_max));
    }
  }

  // False, and the command's buffer dropped, when even the wait is full.
  bool post(std::size_t to, const Command& command) {
    if (outboxes_[to]->try_post(command)) return true;
    Buffer::adopt(command.buffer);
    return false;
  }
  // For answers, which always find room.
  void answer(std::size_t to, const Command& command) { GODWIT_CHECK(post(to, command)); }

  bool pressed(std::size_t to) const { return outboxes_[to]->pressed(); }
  Outbox<Command>& outbox(std::size_t to) { return *outboxes_[to]; }
  void flush() {
    for (auto& outbox : outboxes_) outbox->flush();
  }

  // Hands at most `budget` commands from each participant to `handle(Command)`, and how many to
  // `note(std::size_t)` for each participant that sent any.
  template <typename Handle, typename Note>
  std::size_t drain(std::size_t budget, Handle&& handle, Note&& note) {
    std::size_t done = 0;
    for (std::size_t from = mesh_.participants(); from-- > 0;) {
      const std::size_t count =
          mesh_.ring(from, self_).drain(budget, [&](const Command& command) { handle(command); });
      if (count > 0) note(count);
      done += count;
    }
    return done;
  }
  template <typename Handle>
  std::size_t drain(std::size_t budget, Handle&& handle) {
    return drain(budget, std::forward<Handle>(handle), [](std::size_t) {});
  }

  bool empty() const {
    for (std::size_t from = 0; from < mesh_.participants(); ++from) {
      if (!mesh_.ring(from, self_).consumer_empty()) return false;
    }
    return true;
  }
  bool waiting() const {
    for (const auto& outbox : outboxes_) {
      if (outbox->waiting() > 0) return true;
    }
    return false;
  }
  std::size_t full_count() const {
    std::size_t sum = 0;
    for (const auto& outbox : outboxes_) sum += outbox->full_count();
    return sum;
  }

 private:
  Mesh& mesh_;
  const std::size_t self_;
  std::vector<std::unique_ptr<Outbox<Command>>> outboxes_;
};

}  // namespace godwit::queues
