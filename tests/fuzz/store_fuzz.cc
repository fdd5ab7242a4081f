// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/bytes.h"
#include "queues/sqlite_store.h"

// A store file that holds anything: it is refused, or what comes of it is within what was asked
// for, in order, and can be taken for a message or not without harm; and a file that was opened
// takes and gives back what is put in it, or says that it does not.

namespace {

using namespace godwit;
using namespace godwit::queues;

// In a folder of its own, so that what SQLite puts beside it goes too.
struct Scratch {
  char folder[32] = "/tmp/godwit-fuzz-XXXXXX";
  std::string path;
  Scratch() {
    GODWIT_CHECK(::mkdtemp(folder) != nullptr);
    path = std::string(folder) + "/0.db";
  }
  ~Scratch() {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((path + suffix).c_str());
    ::rmdir(folder);
  }
};

void write_file(const std::string& path, Bytes bytes) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  GODWIT_CHECK(file >= 0);
  GODWIT_CHECK(::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ::close(file);
}

// Loads as a home does, window by window; bounded, whatever the file says comes next.
void load_all(MessageStore& store, std::uint64_t account, std::uint16_t device) {
  std::uint64_t after = 0;
  for (int windows = 0; windows < 16; ++windows) {
    std::uint32_t count = 0;
    std::uint64_t last = after;
    const auto next = store.load({.account_id = account,
                                  .device = device,
                                  .after_sequence = after,
                                  .limit = 8,
                                  .limit_bytes = 4096},
                                 [&](const MessageStore::Stored& stored) {
                                   GODWIT_CHECK(stored.sequence > last);
                                   last = stored.sequence;
                                   GODWIT_CHECK(++count <= 8);
                                   return true;
                                 });
    if (!next || *next == 0 || count == 0 || last <= after) return;
    after = last;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Scratch scratch;
  write_file(scratch.path, {data, size});
  auto store = SqliteStore::open({.path = scratch.path});
  if (!store) {
    GODWIT_CHECK(!store.error().message.empty());
    return 0;
  }
  for (const std::uint64_t account : {1u, 2u}) {
    const auto summaries = (*store)->summarize(account);
    if (!summaries) continue;
    for (const auto& summary : *summaries) load_all(**store, account, summary.device);
    load_all(**store, account, 1);
  }
  const std::uint8_t body[] = {1, 2, 3};
  MessageStore::Operation put{
      .kind = MessageStore::Operation::Kind::put,
      .put = {
          .account_id = 77, .device = 9, .sequence = 5, .expires_s = UINT32_MAX, .bytes = body}};
  if ((*store)->apply({&put, 1})) {
    std::uint32_t found = 0;
    const auto next =
        (*store)->load({.account_id = 77, .device = 9, .limit = 1000, .limit_bytes = 1 << 20},
                       [&](const MessageStore::Stored& stored) {
                         if (stored.sequence == 5) found += std::ranges::equal(stored.bytes, body);
                         return true;
                       });
    GODWIT_CHECK(!next || found == 1 || *next != 0);
  }
  (void)(*store)->expire(1'000'000, 100);
  (void)(*store)->maintain();
  return 0;
}
