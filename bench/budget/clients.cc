// SPDX-License-Identifier: Apache-2.0
#include "bench/budget/clients.h"

#include <algorithm>
#include <cstdio>

#include "bench/budget/gateway.h"

namespace godwit::bench {

Clients::Clients(const Options& options)
    : options_(options),
      payload_(options.payload_size, 'x'),
      io_(options.network, {.shard = 1000}),
      members_(options.accounts.size()) {}

void Clients::connect(std::size_t account, bool backlog) {
  Member& member = members_[account];
  member.client = std::make_unique<client::load::LoadClient>(
      client::load::LoadClient::Options{.account = options_.accounts[account],
                                        .partner = options_.accounts[account ^ 1].user,
                                        .domain = Gateway::domain,
                                        .backlog = backlog,
                                        .payload = payload_},
      random_);
  const auto name = io_.connect({"127.0.0.1", Gateway::port});
  GODWIT_CHECK(name.has_value());
  member.name = *name;
  io_.set_user(*name, account);
}

void Clients::turn(Now now) {
  io_.poll(now, SIZE_MAX, now.instant, *this);
  if (silent_) return;
  for (Member& member : members_) {
    if (!member.client || !member.client->reached_goal()) continue;
    if (member.due == 0 && !member.client->ack_due()) continue;
    member.client->write_frame(std::exchange(member.due, 0));
    ++frames_sent_;
    flush(member);
  }
}

void Clients::send(std::size_t account, unsigned messages) {
  members_[account].due += messages;
}

std::size_t Clients::logged_in() const {
  return static_cast<std::size_t>(std::ranges::count_if(members_, [](const Member& member) {
    return member.client && member.client->reached_goal();
  }));
}

bool Clients::settled() const {
  return std::ranges::all_of(
      members_, [](const Member& member) { return !member.client || member.client->settled(); });
}

void Clients::flush(Member& member) {
  const Bytes output = member.client->output();
  if (output.empty()) return;
  GODWIT_CHECK(io_.send(member.name, {&output, 1}) == output.size());
  member.client->output().clear();
}

void Clients::on_open(ConnectionName name, bool) {
  const auto member = std::ranges::find(members_, name, &Member::name);
  GODWIT_CHECK(member != members_.end());
  flush(*member);
}

void Clients::on_bytes(ConnectionName, std::uint64_t user, MutableBytes lease) {
  Member& member = members_[user];
  const auto messages = member.client->on_bytes(lease);
  if (!messages) {
    std::fprintf(stderr, "bench_budget: %s\n", messages.error().message.c_str());
    std::exit(1);
  }
  delivered_ += *messages;
  if (replying_) member.due += *messages;
  flush(member);
}

void Clients::on_closed(ConnectionName, std::uint64_t user, dataplane::io::CloseReason) {
  std::fprintf(stderr, "bench_budget: client %llu was disconnected\n",
               static_cast<unsigned long long>(user));
  std::exit(1);
}

}  // namespace godwit::bench
