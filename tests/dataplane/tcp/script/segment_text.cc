// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/tcp/script/segment_text.h"

#include <algorithm>
#include <map>

#include "dataplane/tcp/wire/checksum.h"
#include "dataplane/tcp/wire/ip.h"
#include "tests/dataplane/tcp/script/world.h"

namespace godwit::dataplane::tcp::script {
namespace {

constexpr std::pair<char, std::uint8_t> flag_letters[] = {
    {'F', Flags::fin}, {'S', Flags::syn}, {'R', Flags::rst}, {'P', Flags::psh},
    {'.', Flags::ack}, {'U', Flags::urg}, {'E', Flags::ece}, {'W', Flags::cwr}};

const std::map<std::string, Ecn> ecn_words = {{"none", Ecn::not_capable},
                                              {"ect0", Ecn::capable_0},
                                              {"ect1", Ecn::capable_1},
                                              {"ce", Ecn::congested}};

std::unexpected<Error> invalid(const std::string& what) {
  return fail(ErrorCode::invalid, "'" + what + "' is not understood");
}

Result<std::uint8_t> parse_flags(const std::string& word) {
  std::uint8_t flags = 0;
  if (word == "-") return flags;
  for (const char letter : word) {
    const auto* found =
        std::ranges::find(flag_letters, letter, &std::pair<char, std::uint8_t>::first);
    if (found == std::end(flag_letters)) return invalid(word);
    flags |= found->second;
  }
  return flags;
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text) {
    if (c == at) {
      parts.push_back(std::move(part));
      part.clear();
    } else {
      part += c;
    }
  }
  if (!part.empty()) parts.push_back(part);
  return parts;
}

// A word that has no value behind it. False when it is none.
bool parse_mark(const std::string& word, Pattern& pattern) {
  if (word == "badsum") {
    pattern.bad_checksum = true;
  } else if (word == "more") {
    pattern.more = true;
  } else if (word == "other") {
    pattern.other_data = true;
  } else if (word.front() == '<') {
    pattern.options = split(word.substr(1, word.size() - 2), ',');
  } else {
    return false;
  }
  return true;
}

Result<void> parse_value(const std::string& key, const std::string& text, const Names& names,
                         Pattern& pattern) {
  if (key == "ecn") {
    const auto found = ecn_words.find(text);
    if (found == ecn_words.end()) return invalid(text);
    pattern.ecn = found->second;
    return {};
  }
  const auto value = evaluate(text, names);
  if (!value) return std::unexpected(value.error());
  if (key == "seq") {
    pattern.seq = *value;
  } else if (key == "ack") {
    pattern.ack = *value;
  } else if (key == "len") {
    pattern.length = *value;
  } else if (key == "win") {
    pattern.window = *value;
  } else if (key == "urg") {
    pattern.urgent = *value;
  } else if (key == "port") {
    pattern.port = static_cast<std::uint16_t>(*value);
  } else {
    return invalid(key);
  }
  return {};
}

// One option's bytes as they arrive.
struct OptionWriter {
  std::vector<std::uint8_t>& out;
  const Conversation& conversation;
  const Names& names;

  void number(std::uint64_t value, int size) {
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) {
      out.push_back(static_cast<std::uint8_t>(value >> shift));
    }
  }
  Result<void> write(const std::string& option) {
    const auto words = split(option, ' ');
    const std::string& kind = words.front();
    if (kind == "sack") return write_sack(words);
    if (kind == "raw" && words.size() == 2) {
      const auto bytes = from_hex(words[1]);
      if (!bytes) return invalid(option);
      out.insert(out.end(), bytes->begin(), bytes->end());
      return {};
    }
    if (kind == "ts") return write_timestamps(words, option);
    std::int64_t value = 0;
    if (words.size() == 2) {
      const auto evaluated = evaluate(words[1], names);
      if (!evaluated) return std::unexpected(evaluated.error());
      value = *evaluated;
    }
    const auto u = static_cast<std::uint64_t>(value);
    if (kind == "mss") {
      number(0x0204, 2);
      number(u, 2);
    } else if (kind == "wscale") {
      number(0x0303, 2);
      number(u, 1);
    } else if (kind == "sackOK") {
      number(0x0402, 2);
    } else if (kind == "nop") {
      number(1, 1);
    } else {
      return invalid(option);
    }
    return {};
  }
  // "ts 5": echoes our latest; "ts 5 ecr first", "ts 5 ecr 0".
  Result<void> write_timestamps(const std::vector<std::string>& words, const std::string& option) {
    std::uint32_t echo = conversation.timestamp_last;
    const auto value = evaluate(words.at(1), names);
    if (!value) return std::unexpected(value.error());
    if (words.size() == 4 && words[3] == "first") {
      echo = conversation.timestamp_first.value_or(0);
    } else if (words.size() == 4) {
      const auto evaluated = evaluate(words[3], names);
      if (!evaluated) return invalid(option);
      echo = static_cast<std::uint32_t>(*evaluated);
    }
    number(0x080a, 2);
    number(static_cast<std::uint32_t>(*value), 4);
    number(echo, 4);
    return {};
  }
  Result<void> write_sack(const std::vector<std::string>& words) {
    number(5, 1);
    number(2 + 8 * (words.size() - 1), 1);
    for (std::size_t i = 1; i < words.size(); ++i) {
      const auto edges = split(words[i], ':');
      if (edges.size() != 2) return invalid(words[i]);
      for (const std::string& edge : edges) {
        const auto value = evaluate(edge, names);
        if (!value) return std::unexpected(value.error());
        number(static_cast<std::uint32_t>(*value) + conversation.our_isn.value_or(0), 4);
      }
    }
    return {};
  }
};

Result<std::vector<std::uint8_t>> option_bytes(const Pattern& pattern,
                                               const Conversation& conversation,
                                               const Names& names) {
  std::vector<std::uint8_t> bytes;
  OptionWriter writer{bytes, conversation, names};
  for (const std::string& option : pattern.options.value_or(std::vector<std::string>{})) {
    if (auto written = writer.write(option); !written) return std::unexpected(written.error());
  }
  while (bytes.size() % 4 != 0) bytes.push_back(0);
  if (bytes.size() > 40) return fail(ErrorCode::invalid, "more than 40 bytes of options");
  return bytes;
}

std::string flags_text(std::uint8_t flags) {
  std::string text;
  for (const auto& [letter, flag] : flag_letters) {
    if ((flags & flag) != 0) text += letter;
  }
  return text.empty() ? "-" : text;
}

std::string range_text(const SequenceRange& range, std::uint32_t from) {
  return std::to_string(range.begin - from) + ":" + std::to_string(range.end - from);
}

// The options of a segment that left, each as a script writes it.
std::vector<std::string> option_words(const SegmentIn& segment, const Conversation& conversation) {
  const Options& options = segment.options;
  std::vector<std::string> words;
  if (options.mss) words.push_back("mss " + std::to_string(*options.mss));
  if (options.sack_permitted) words.push_back("sackOK");
  if (options.timestamps) words.push_back("ts ecr " + std::to_string(options.timestamps->echo));
  if (options.window_scale) words.push_back("wscale " + std::to_string(*options.window_scale));
  if (options.sack_count > 0) {
    std::string sack = "sack";
    for (const SequenceRange& block : options.sack_blocks()) {
      sack += " " + range_text(block, conversation.peer_isn);
    }
    words.push_back(sack);
  }
  return words;
}

// "mss mss" and "sack 1+mss:1" with their numbers worked out.
std::string normalised(const std::string& option, const Names& names) {
  std::string text;
  for (const std::string& word : split(option, ' ')) {
    std::string done;
    for (const std::string& part : split(word, ':')) {
      const auto value = text.empty() ? fail(ErrorCode::invalid, "") : evaluate(part, names);
      done += (done.empty() ? "" : ":") + (value ? std::to_string(*value) : part);
    }
    text += (text.empty() ? "" : " ") + done;
  }
  return text;
}

std::string option_differences(const std::vector<std::string>& wanted, const SegmentIn& segment,
                               const Conversation& conversation, const Names& names) {
  const auto have = option_words(segment, conversation);
  std::string text;
  for (const std::string& want : wanted) {
    const std::string exact = normalised(want, names);
    const bool found = std::ranges::any_of(have, [&](const std::string& one) {
      return one == exact || (split(one, ' ').front() == exact);
    });
    if (!found) text += " no option '" + exact + "'";
  }
  if (have.size() != wanted.size()) text += " " + std::to_string(have.size()) + " options";
  return text;
}

}  // namespace

Result<Pattern> parse_pattern(const std::vector<std::string>& words, const Names& names) {
  Pattern pattern;
  const auto flags = parse_flags(words.front());
  if (!flags) return std::unexpected(flags.error());
  pattern.flags = *flags;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (parse_mark(words[i], pattern)) continue;
    if (i + 1 == words.size()) return invalid(words[i]);
    if (auto value = parse_value(words[i], words[i + 1], names, pattern); !value) {
      return std::unexpected(value.error());
    }
    ++i;
  }
  return pattern;
}

Result<std::vector<std::uint8_t>> build(const Pattern& pattern, const Conversation& conversation,
                                        const Flow& flow, const Names& names) {
  const auto options = option_bytes(pattern, conversation, names);
  if (!options) return options;
  const std::size_t header = 20 + options->size();
  std::vector<std::uint8_t> tcp(header);
  ByteWriter out(tcp);
  out.u16(flow.remote_port);
  out.u16(flow.local_port);
  out.u32(conversation.peer_isn + static_cast<std::uint32_t>(pattern.seq));
  const auto ack = static_cast<std::uint32_t>(pattern.ack.value_or(0));
  out.u32(pattern.ack ? conversation.our_isn.value_or(0) + ack : 0);
  out.u8(static_cast<std::uint8_t>(header / 4 << 4));
  out.u8(pattern.flags);
  out.u16(static_cast<std::uint16_t>(pattern.window.value_or(65535)));
  out.u16(0);
  out.u16(static_cast<std::uint16_t>(pattern.urgent));
  out.bytes(*options);
  const std::int64_t first = pattern.seq - ((pattern.flags & Flags::syn) != 0 ? 0 : 1);
  for (std::int64_t i = 0; i < pattern.length; ++i) {
    const std::uint8_t byte = stream_byte(static_cast<std::uint64_t>(first + i));
    tcp.push_back(pattern.other_data ? static_cast<std::uint8_t>(~byte) : byte);
  }
  Checksum checksum;
  add_pseudo_header(checksum, {flow.remote, flow.local, static_cast<std::uint32_t>(tcp.size()), 6});
  checksum.add(tcp);
  const std::uint16_t sum = checksum.finish() ^ (pattern.bad_checksum ? 1 : 0);
  ByteWriter(MutableBytes(tcp).subspan(16, 2)).u16(sum);
  IpOut ip{flow.remote, flow.local, Protocol::tcp, tcp.size(),
           pattern.ecn.value_or(Ecn::not_capable)};
  std::vector<std::uint8_t> packet(ip_header_size(flow.local.is_v4()));
  write_ip(packet, ip);
  packet.insert(packet.end(), tcp.begin(), tcp.end());
  return packet;
}

std::string differences(const Pattern& pattern, const SegmentIn& segment,
                        const Conversation& conversation, const Names& names) {
  std::string text;
  // Whether a segment pushes is the sender's choice.
  const auto counted = [](std::uint8_t flags) { return flags & ~Flags::psh; };
  if (counted(pattern.flags) != counted(segment.flags)) text += " flags";
  const std::uint32_t seq = segment.seq - conversation.our_isn.value_or(0);
  if (seq != static_cast<std::uint32_t>(pattern.seq)) text += " seq";
  const std::uint32_t ack = segment.ack - conversation.peer_isn;
  if (pattern.ack && ack != static_cast<std::uint32_t>(*pattern.ack)) text += " ack";
  if (static_cast<std::int64_t>(segment.payload.size()) != pattern.length) text += " len";
  if (pattern.window && segment.window != *pattern.window) text += " win";
  if (pattern.ecn && segment.ecn != *pattern.ecn) text += " ecn";
  if (pattern.options) {
    text += option_differences(*pattern.options, segment, conversation, names);
  }
  const bool syn = segment.has(Flags::syn);
  for (std::size_t i = 0; i < segment.payload.size() && !syn; ++i) {
    if (segment.payload[i] != stream_byte(seq - 1 + i)) return text + " data";
  }
  return text;
}

std::string describe(const SegmentIn& segment, const Conversation& conversation) {
  std::string text =
      flags_text(segment.flags) + " seq " +
      std::to_string(static_cast<std::int32_t>(segment.seq - conversation.our_isn.value_or(0)));
  if (!segment.payload.empty()) text += " len " + std::to_string(segment.payload.size());
  if (segment.has(Flags::ack)) {
    text +=
        " ack " + std::to_string(static_cast<std::int32_t>(segment.ack - conversation.peer_isn));
  }
  text += " win " + std::to_string(segment.window);
  if (segment.ecn != Ecn::not_capable) {
    text += " ecn " + std::to_string(static_cast<int>(segment.ecn));
  }
  const auto options = option_words(segment, conversation);
  for (std::size_t i = 0; i < options.size(); ++i) text += (i == 0 ? " <" : ",") + options[i];
  return options.empty() ? text : text + ">";
}

}  // namespace godwit::dataplane::tcp::script
