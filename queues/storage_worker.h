// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "queues/away_accounts.h"
#include "queues/counters.h"
#include "queues/outbox.h"
#include "queues/store.h"

namespace godwit::queues {

// What a storage thread does, without the thread: takes requests from homes, commits what has
// gathered as one group per file, answers. A batch is whatever came in while the last one was being
// committed.
//
// Order: requests of one home to one file take effect in the order posted; a load sees every put
// before it. A put and an erase that covers it in one batch cancel each other. Failure: a failed
// group fails each of its puts, and every later put to that file until its home posts resume (see
// StoreRequestKind::resume); its erases are tried again, before anything later of that file. A file
// that cannot be opened is tried again at most once a second; the others go on.
//
// Thread safety: one thread.
class StorageWorker {
 public:
  struct Link {
    SpscRing<StoreRequest>* requests = nullptr;
    Outbox<StoreReply>* replies = nullptr;
  };
  struct Options {
    std::vector<Link> homes;
    std::function<Result<std::unique_ptr<MessageStore>>(unsigned file)> open;
    // Opened in quiet moments although nothing is asked of them yet, so that a damaged one shows
    // before a message depends on it, and one that works again shows too.
    std::vector<unsigned> files;
    StorageCounters& counters;
    std::size_t buffer_pool_bytes = std::size_t{256} << 20;  // for what is loaded
    std::function<Instant()> clock = [] {
      return Instant{};
    };  // times commits and loads, for the metrics alone
    std::function<void(unsigned file, const Error&)> on_error;  // for the log; may be empty
  };

  explicit StorageWorker(Options options);
  ~StorageWorker();

  // One round; returns how much it did: 0 when only requests or time will bring more. Blocks while
  // the disk does.
  std::size_t do_work(Now now);
  // Nothing is waiting in a ring or for one.
  bool idle() const;
  // Last error of any file, empty when what was last tried with every file worked.
  const std::string& last_error() const { return last_error_; }

 private:
  struct Item {
    StoreRequest request{};
    std::size_t home = 0;
    bool cancelled = false;
  };
  // What did not work the last time it was tried. A file may well open and not take a write, so
  // only a commit shows that all is well.
  enum class Fault : std::uint8_t { none, opening, using_it };
  // Of the accounts that have something in an open store, a few at a time in quiet moments. Once it
  // is over, and unless there are too many, who is not in away_ has nothing, and nobody asks the
  // disk for it.
  struct Survey {
    std::uint64_t after = 0;
    std::uint32_t found = 0;
    bool over = false;
    Instant next_at{};
  };
  struct File {
    std::unique_ptr<MessageStore> store;
    std::vector<Item> waiting;
    // Of commits that failed. One a mailbox at most, so never more than there are mailboxes.
    std::vector<MessageStore::Erase> owed;
    Instant owed_at{};
    Instant retry_at{};
    Instant expire_at{};
    Instant written_at{};
    Survey survey;
    bool refusing = false;  // until its home posts resume
    bool unclean = false;   // written since the last maintain()
    Fault fault = Fault::none;
  };

  MessageStore* store_of(unsigned number, Now now);
  void work_file(unsigned number, Now now);
  void commit(unsigned number, std::vector<Item>& batch, Now now);
  void cancel(std::vector<Item>& batch, const StoreRequest& erase);
  void owe(File& file, const MessageStore::Erase& erase);
  void answer_puts(unsigned number, std::vector<Item>& batch, const Error* error);
  void load(unsigned number, const Item& item, Now now);
  void summarize(unsigned number, const Item& item, Now now);
  bool survey(unsigned number, Now now);
  void note_error(unsigned number, Fault fault, const Error& error);
  void note_success(unsigned number);
  void reply(std::size_t home, const StoreReply& reply);
  bool quiet_work(Now now);

  Options options_;
  BufferPool pool_;
  std::array<File, store_file_count> files_;
  AwayAccounts away_;  // of all files: an account is in one of them
  std::vector<MessageStore::Operation> operations_;
  std::string last_error_;
};

}  // namespace godwit::queues
