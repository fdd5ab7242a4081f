// SPDX-License-Identifier: Apache-2.0
#include "control/backup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "control/files.h"
#include "control/sqlite.h"

namespace godwit::control {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t key_file_size_max = 65'536;

// VACUUM INTO reads one snapshot and writes a database without the log; SQLite does not sync it.
Result<void> copy_database(const std::string& from, const std::string& to) {
  Result<Database> database = Database::open(from);
  if (!database) return std::unexpected(database.error());
  Result<Statement> copy = database->prepare("VACUUM INTO ?1");
  if (!copy) return std::unexpected(copy.error());
  if (auto done = copy->bind(1, to).run(); !done) return done;
  if (::chmod(to.c_str(), 0600) != 0) return file_error("change the mode of", to, errno);
  return sync_file(to);
}

Result<void> copy_small_file(const std::string& from, const std::string& to) {
  const Result<std::string> content = read_file(from, key_file_size_max);
  if (!content) return std::unexpected(content.error());
  return write_file_durably(to, as_bytes(*content));
}

// Names of the regular files of a folder that end so, in order.
std::vector<std::string> names_in(const std::string& folder, std::string_view ending) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (name.ends_with(ending) && entry->is_regular_file(error)) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

Result<void> copy_all(const std::string& data, const std::string& to) {
  for (const std::string& folder : {to + "/store", to + "/keys"}) {
    if (auto made = make_directories(folder); !made) return made;
  }
  for (const std::string& name : names_in(data + "/store", ".db")) {
    const auto copied = copy_database(data + "/store/" + name, to + "/store/" + name);
    if (!copied) return copied;
  }
  if (auto copied = copy_database(data + "/accounts.db", to + "/accounts.db"); !copied) {
    return copied;
  }
  if (auto copied = copy_database(data + "/prekeys.db", to + "/prekeys.db"); !copied) {
    return copied;
  }
  for (const std::string& name : names_in(data + "/keys", "")) {
    const auto copied = copy_small_file(data + "/keys/" + name, to + "/keys/" + name);
    if (!copied) return copied;
  }
  for (const std::string& folder : {to + "/store", to}) {
    if (auto synced = sync_file(folder); !synced) return synced;
  }
  return {};
}

std::uint64_t size_of(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->is_regular_file(error)) bytes += entry->file_size(error);
  }
  return bytes;
}

}  // namespace

Result<std::uint64_t> back_up(const BackupPlace& place) {
  if (file_exists(place.folder)) {
    return fail(ErrorCode::exists, place.folder + " exists; give a folder that does not");
  }
  const std::string partial = place.folder + ".partial";
  if (::mkdir(partial.c_str(), 0700) != 0) return file_error("make folder", partial, errno);
  Result<void> copied = copy_all(place.data, partial);
  if (copied && ::rename(partial.c_str(), place.folder.c_str()) != 0) {
    copied = file_error("rename", partial, errno);
  }
  if (!copied) {
    std::error_code ignored;
    fs::remove_all(partial, ignored);
    return std::unexpected(copied.error());
  }
  if (auto synced = sync_file(fs::path(place.folder).parent_path()); !synced) {
    return std::unexpected(synced.error());
  }
  return size_of(place.folder);
}

}  // namespace godwit::control
