// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

// Reads the fields of an admin request, for admin_*.cc.

namespace godwit::control {

// Anything but "command" and `allowed` is an error.
inline Result<void> check_fields(const nlohmann::json& request,
                                 std::initializer_list<std::string_view> allowed) {
  for (const auto& [name, value] : request.items()) {
    if (name == "command" || std::ranges::find(allowed, name) != allowed.end()) continue;
    return fail(ErrorCode::invalid, "unknown field '" + name + "'");
  }
  return {};
}

inline Result<std::string> text_field(const nlohmann::json& request, std::string_view name) {
  const auto found = request.find(name);
  if (found == request.end() || !found->is_string()) {
    return fail(ErrorCode::invalid, "'" + std::string(name) + "' is needed, as a string");
  }
  return found->get<std::string>();
}

struct NumberField {
  std::string_view name;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t missing = 0;  // the value when the field is not there
};
inline Result<std::uint64_t> number_field(const nlohmann::json& request, const NumberField& field) {
  const auto found = request.find(field.name);
  if (found == request.end()) return field.missing;
  const bool whole = found->is_number_unsigned() ||
                     (found->is_number_integer() && found->get<std::int64_t>() >= 0);
  const bool in_range =
      whole && found->get<std::uint64_t>() >= field.min && found->get<std::uint64_t>() <= field.max;
  if (!in_range) {
    return fail(ErrorCode::invalid,
                "'" + std::string(field.name) + "' must be a whole number from " +
                    std::to_string(field.min) + " to " + std::to_string(field.max));
  }
  return found->get<std::uint64_t>();
}

inline nlohmann::json to_answer(const Error& error) {
  return {{"ok", false}, {"error", error.message}};
}

}  // namespace godwit::control
