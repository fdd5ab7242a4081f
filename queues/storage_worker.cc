// SPDX-License-Identifier: Apache-2.0
#include "queues/storage_worker.h"

#include <algorithm>
#include <utility>

#include "queues/records.h"

namespace godwit::queues {

namespace {

// A step of a survey is at most so many searches, each of which may wait for the disk.
constexpr std::uint32_t survey_step = 128;
// Of one file. Beyond, so much would be read for it that logins ask the disk as they come.
constexpr std::uint32_t survey_max = 128 * survey_step;

std::uint32_t seconds_of(WallTime at) {
  return static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count());
}

Bytes bytes_of(const BufferBlock* block) {
  auto* writable = const_cast<BufferBlock*>(block);
  return {writable->data(), writable->size};
}

}  // namespace

StorageWorker::StorageWorker(Options options)
    : options_(std::move(options)), pool_(options_.buffer_pool_bytes) {}

StorageWorker::~StorageWorker() {
  for (File& file : files_) {
    for (Item& item : file.waiting) Buffer::adopt(item.request.buffer);
  }
}

bool StorageWorker::idle() const {
  return std::ranges::all_of(options_.homes, [](const Link& link) {
    return link.requests->consumer_empty() && link.replies->waiting() == 0;
  });
}

std::size_t StorageWorker::do_work(Now now) {
  constexpr std::size_t budget = 4096;
  std::size_t taken = 0;
  for (std::size_t home = 0; home < options_.homes.size(); ++home) {
    const Link& link = options_.homes[home];
    link.replies->flush();
    if (link.replies->pressed()) continue;
    taken += link.requests->drain(budget, [&](const StoreRequest& request) {
      files_[request.file].waiting.push_back({request, home});
    });
  }
  for (unsigned number = 0; number < files_.size(); ++number) {
    if (!files_[number].waiting.empty()) work_file(number, now);
  }
  const bool more = taken == 0 && quiet_work(now);
  for (const Link& link : options_.homes) link.replies->flush();
  options_.counters.set(StorageMetric::buffer_pool_bytes, pool_.in_use());
  return taken + (more ? 1 : 0);
}

MessageStore* StorageWorker::store_of(unsigned number, Now now) {
  File& file = files_[number];
  if (file.store) return file.store.get();
  if (now.instant < file.retry_at) return nullptr;
  auto opened = options_.open(number);
  if (!opened) {
    file.retry_at = now.instant + std::chrono::seconds(1);
    note_error(number, Fault::opening, opened.error());
    return nullptr;
  }
  file.store = std::move(*opened);
  file.survey = {};
  if (file.fault == Fault::opening) note_success(number);
  return file.store.get();
}

// In order: puts and erases gather, and anything that must see them commits them first.
void StorageWorker::work_file(unsigned number, Now now) {
  std::vector<Item> items = std::move(files_[number].waiting);
  files_[number].waiting.clear();
  std::vector<Item> batch;
  for (Item& item : items) {
    switch (item.request.kind) {
      case StoreRequestKind::put:
        batch.push_back(item);
        break;
      case StoreRequestKind::purge:
        item.request.sequence = UINT64_MAX;
        [[fallthrough]];
      case StoreRequestKind::erase:
        cancel(batch, item.request);
        batch.push_back(item);
        break;
      case StoreRequestKind::load:
        commit(number, batch, now);
        load(number, item, now);
        break;
      case StoreRequestKind::summarize:
        commit(number, batch, now);
        summarize(number, item, now);
        break;
      case StoreRequestKind::resume:
        commit(number, batch, now);
        files_[number].refusing = false;
        break;
    }
  }
  commit(number, batch, now);
}

void StorageWorker::cancel(std::vector<Item>& batch, const StoreRequest& erase) {
  // Backwards and not far: acknowledgements follow their messages closely.
  constexpr std::size_t reach = 4096;
  const std::size_t first = batch.size() > reach ? batch.size() - reach : 0;
  for (std::size_t i = batch.size(); i-- > first;) {
    Item& item = batch[i];
    const bool covered = item.request.kind == StoreRequestKind::put && !item.cancelled &&
                         item.request.account_id == erase.account_id &&
                         (erase.device == 0 || item.request.device == erase.device) &&
                         item.request.sequence <= erase.sequence;
    if (!covered) continue;
    item.cancelled = true;
    options_.counters.add(StorageMetric::messages_cancelled);
  }
}

void StorageWorker::commit(unsigned number, std::vector<Item>& batch, Now now) {
  File& file = files_[number];
  if (batch.empty() && file.owed.empty()) return;
  operations_.clear();
  for (const MessageStore::Erase& erase : file.owed) {
    operations_.push_back({.kind = MessageStore::Operation::Kind::erase, .erase = erase});
  }
  std::size_t puts = 0;
  for (const Item& item : batch) {
    const StoreRequest& request = item.request;
    if (request.kind == StoreRequestKind::put) {
      if (item.cancelled || file.refusing) continue;
      ++puts;
      away_.note(request.account_id);
      operations_.push_back({.kind = MessageStore::Operation::Kind::put,
                             .put = {.account_id = request.account_id,
                                     .device = request.device,
                                     .sequence = request.sequence,
                                     .accepted_s = request.accepted_s,
                                     .expires_s = request.expires_s,
                                     .bytes = bytes_of(request.buffer)}});
    } else {
      options_.counters.add(StorageMetric::erase_requests);
      operations_.push_back({.kind = MessageStore::Operation::Kind::erase,
                             .erase = {.account_id = request.account_id,
                                       .device = request.device,
                                       .upto_sequence = request.sequence}});
    }
  }
  static const Error unavailable{ErrorCode::unavailable, "the store file cannot be opened"};
  Error error;
  const Error* failed = nullptr;
  if (!operations_.empty()) {
    MessageStore* store = store_of(number, now);
    const Instant before = options_.clock();
    auto done = store != nullptr ? store->apply(operations_) : std::unexpected(unavailable);
    options_.counters.record(StorageHistogram::commit,
                             static_cast<std::uint64_t>((options_.clock() - before).count()));
    if (!done) {
      error = done.error();
      failed = &error;
      if (store != nullptr) note_error(number, Fault::using_it, error);
      // Reopened for the next try: a damaged or replaced file shows itself then.
      if (error.code != ErrorCode::full) file.store.reset();
      options_.counters.add(StorageMetric::commit_failures);
      for (const MessageStore::Operation& operation : operations_) {
        if (operation.kind == MessageStore::Operation::Kind::erase) owe(file, operation.erase);
      }
      file.owed_at = now.instant + std::chrono::seconds(1);
    } else {
      file.owed.clear();
      options_.counters.add(StorageMetric::commits);
      options_.counters.add(StorageMetric::messages_stored, puts);
      options_.counters.record(StorageHistogram::batch_messages, puts);
      note_success(number);
      file.unclean = true;
      file.written_at = now.instant;
    }
  }
  answer_puts(number, batch, failed);
  if (failed != nullptr && puts > 0) file.refusing = true;
  batch.clear();
}

void StorageWorker::owe(File& file, const MessageStore::Erase& erase) {
  const auto same = std::ranges::find_if(file.owed, [&](const MessageStore::Erase& owed) {
    return owed.account_id == erase.account_id && owed.device == erase.device;
  });
  if (same == file.owed.end()) {
    file.owed.push_back(erase);
  } else {
    same->upto_sequence = std::max(same->upto_sequence, erase.upto_sequence);
  }
}

void StorageWorker::answer_puts(unsigned number, std::vector<Item>& batch, const Error* error) {
  const bool refusing = files_[number].refusing;
  for (Item& item : batch) {
    if (item.request.kind != StoreRequestKind::put) continue;
    Buffer::adopt(std::exchange(item.request.buffer, nullptr));
    StoreReply answer{.kind = StoreReplyKind::committed,
                      .mailbox = item.request.mailbox,
                      .sequence = item.request.sequence,
                      .file = number};
    if (!item.cancelled && (refusing || error != nullptr)) {
      answer.kind = StoreReplyKind::failed;
      answer.error = error != nullptr ? error->code : ErrorCode::unavailable;
    }
    reply(item.home, answer);
  }
}

void StorageWorker::load(unsigned number, const Item& item, Now now) {
  const StoreRequest& request = item.request;
  MessageStore* store = store_of(number, now);
  Result<std::uint64_t> next = fail(ErrorCode::unavailable, "the store file cannot be opened");
  if (store != nullptr) {
    const Instant before = options_.clock();
    bool damaged = false;
    next = store->load({.account_id = request.account_id,
                        .device = request.device,
                        .after_sequence = request.sequence,
                        .limit = request.limit,
                        .limit_bytes = request.limit_bytes,
                        .now_s = seconds_of(now.wall)},
                       [&](const MessageStore::Stored& stored) {
                         damaged = !is_envelope(stored.bytes);
                         if (damaged) return false;
                         Buffer buffer = pool_.copy(stored.bytes);
                         if (!buffer) return false;
                         options_.counters.add(StorageMetric::messages_loaded);
                         reply(item.home, {.kind = StoreReplyKind::loaded,
                                           .accepted_s = stored.accepted_s,
                                           .mailbox = request.mailbox,
                                           .sequence = stored.sequence,
                                           .buffer = buffer.release()});
                         return true;
                       });
    options_.counters.record(StorageHistogram::load,
                             static_cast<std::uint64_t>((options_.clock() - before).count()));
    if (damaged) {
      next = fail(ErrorCode::corrupt,
                  "store file " + std::to_string(number) + " holds a damaged message");
    }
    if (!next) note_error(number, Fault::using_it, next.error());
  }
  StoreReply end{.kind = StoreReplyKind::load_end, .mailbox = request.mailbox};
  if (next) {
    end.sequence = *next;
  } else {
    end.kind = StoreReplyKind::load_failed;
    end.error = next.error().code;
  }
  reply(item.home, end);
}

void StorageWorker::summarize(unsigned number, const Item& item, Now now) {
  const StoreRequest& request = item.request;
  MessageStore* store = store_of(number, now);
  Result<std::vector<MessageStore::Summary>> summaries =
      fail(ErrorCode::unavailable, "the store file cannot be opened");
  if (store != nullptr && files_[number].survey.over && !away_.may_have(request.account_id)) {
    summaries = std::vector<MessageStore::Summary>();
  } else if (store != nullptr) {
    summaries = store->summarize(request.account_id);
    if (!summaries) note_error(number, Fault::using_it, summaries.error());
    if (summaries && summaries->empty()) away_.forget(request.account_id);
  }
  if (!summaries) {
    return reply(item.home, {.kind = StoreReplyKind::summary_failed,
                             .error = summaries.error().code,
                             .mailbox = request.mailbox});
  }
  for (const MessageStore::Summary& summary : *summaries) {
    reply(item.home, {.kind = StoreReplyKind::summary,
                      .device = summary.device,
                      .mailbox = request.mailbox,
                      .sequence = summary.lowest,
                      .high = summary.highest,
                      .count = summary.count,
                      .bytes = summary.bytes});
  }
  reply(item.home, {.kind = StoreReplyKind::summary_end, .mailbox = request.mailbox});
}

void StorageWorker::note_success(unsigned number) {
  files_[number].fault = Fault::none;
  const auto is_well = [](const File& file) { return file.fault == Fault::none; };
  if (!std::ranges::all_of(files_, is_well)) return;
  options_.counters.set(StorageMetric::failing, 0);
  last_error_.clear();
}

void StorageWorker::note_error(unsigned number, Fault fault, const Error& error) {
  files_[number].fault = std::max(files_[number].fault, fault);
  last_error_ = error.message;
  options_.counters.set(StorageMetric::failing, 1);
  if (options_.on_error) options_.on_error(number, error);
}

// Answers never wait for a home: what a home may have outstanding fits its ring and the wait behind
// it.
void StorageWorker::reply(std::size_t home, const StoreReply& answer) {
  GODWIT_CHECK(options_.homes[home].replies->try_post(answer));
}

// One step. False: there was none to take.
bool StorageWorker::survey(unsigned number, Now now) {
  Survey& survey = files_[number].survey;
  if (!files_[number].store || survey.over || now.instant < survey.next_at) return false;
  const auto ids = files_[number].store->accounts(survey.after, survey_step);
  if (!ids) {
    note_error(number, Fault::using_it, ids.error());
    survey.next_at = now.instant + std::chrono::minutes(1);
    return false;
  }
  for (const std::uint64_t id : *ids) away_.note(id);
  survey.found += static_cast<std::uint32_t>(ids->size());
  survey.over = ids->size() < survey_step;
  if (!survey.over) survey.after = ids->back();
  if (survey.found >= survey_max) survey.next_at = never;
  return true;
}

// True when there may be more to do at once.
bool StorageWorker::quiet_work(Now now) {
  constexpr std::uint32_t expire_limit = 1000;
  for (const unsigned number : options_.files) store_of(number, now);
  for (unsigned number = 0; number < files_.size(); ++number) {
    File& file = files_[number];
    if (!file.owed.empty() && now.instant >= file.owed_at) {
      std::vector<Item> nothing;
      commit(number, nothing, now);
    }
    if (!file.store) continue;
    if (now.instant >= file.expire_at) {
      const auto expired = file.store->expire(seconds_of(now.wall), expire_limit);
      if (expired) options_.counters.add(StorageMetric::messages_expired, *expired);
      const bool more = expired && *expired == expire_limit;
      file.expire_at = now.instant + (more ? Duration::zero() : Duration(std::chrono::minutes(1)));
      if (expired && *expired > 0) file.unclean = true;
    }
    if (file.unclean && now.instant - file.written_at >= std::chrono::seconds(1)) {
      file.unclean = !file.store->maintain().has_value();
    }
  }
  for (unsigned number = 0; number < files_.size(); ++number) {
    if (survey(number, now)) return true;
  }
  return false;
}

}  // namespace godwit::queues
