// SPDX-License-Identifier: Apache-2.0
#include "bench/budget/storage.h"

namespace godwit::bench {

using queues::StoreReply;
using queues::StoreReplyKind;
using queues::StoreRequest;
using queues::StoreRequestKind;

InstantStorage::~InstantStorage() {
  requests_.drain(SIZE_MAX, [](const StoreRequest& r) { queues::Buffer::adopt(r.buffer); });
  replies_.drain(SIZE_MAX, [](const StoreReply& r) { queues::Buffer::adopt(r.buffer); });
}

void InstantStorage::work() {
  requests_.drain(SIZE_MAX, [&](const StoreRequest& request) { handle(request); });
  replies_.flush();
}

std::size_t InstantStorage::messages() const {
  std::size_t sum = 0;
  for (const auto& [name, mailbox] : mailboxes_) sum += mailbox.size();
  return sum;
}

void InstantStorage::reply(StoreReply reply, const StoreRequest& request) {
  reply.mailbox = request.mailbox;
  reply.file = request.file;
  GODWIT_CHECK(replies_.try_push(reply));
}

void InstantStorage::handle(const StoreRequest& request) {
  const queues::Buffer buffer = queues::Buffer::adopt(request.buffer);
  Mailbox& mailbox = mailboxes_[{request.account_id, request.device}];
  switch (request.kind) {
    case StoreRequestKind::put:
      mailbox[request.sequence] = {request.accepted_s,
                                   {buffer.bytes().begin(), buffer.bytes().end()}};
      return reply({.kind = StoreReplyKind::committed, .sequence = request.sequence}, request);
    case StoreRequestKind::erase:
      mailbox.erase(mailbox.begin(), mailbox.upper_bound(request.sequence));
      return;
    case StoreRequestKind::load:
      return load(request, mailbox);
    case StoreRequestKind::summarize:
      return summarize(request);
    case StoreRequestKind::purge:
    case StoreRequestKind::resume:
      return;  // nothing here purges or fails
  }
}

void InstantStorage::load(const StoreRequest& request, const Mailbox& mailbox) {
  auto next = mailbox.upper_bound(request.sequence);
  for (std::uint32_t count = 0; next != mailbox.end() && count < request.limit; ++count, ++next) {
    reply({.kind = StoreReplyKind::loaded,
           .accepted_s = next->second.accepted_s,
           .sequence = next->first,
           .buffer = pool_.copy(next->second.bytes).release()},
          request);
  }
  const std::uint64_t rest = next == mailbox.end() ? 0 : next->first;
  reply({.kind = StoreReplyKind::load_end, .sequence = rest}, request);
}

void InstantStorage::summarize(const StoreRequest& request) {
  for (const auto& [name, mailbox] : mailboxes_) {
    if (name.first != request.account_id || mailbox.empty()) continue;
    std::uint64_t bytes = 0;
    for (const auto& [sequence, message] : mailbox) bytes += message.bytes.size();
    reply({.kind = StoreReplyKind::summary,
           .device = name.second,
           .sequence = mailbox.begin()->first,
           .high = mailbox.rbegin()->first,
           .count = mailbox.size(),
           .bytes = bytes},
          request);
  }
  reply({.kind = StoreReplyKind::summary_end}, request);
}

}  // namespace godwit::bench
