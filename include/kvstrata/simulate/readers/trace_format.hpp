// The formats of traces, and how a file's name or its first line tells which one it is of.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/packing.hpp>
#include <kvstrata/simulate/text_lines.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class trace_format : std::uint8_t {
  by_name,  ///< as the table in open_trace.hpp says
  oracle_general,
  csv,
  arc_lis,
  lirs_blocks,
  cache2k,
  cache2k_64,
  mooncake,
  kuairand,  ///< the only one that is held in memory: a user's requests need the whole log
};

/// All that can be said.
inline constexpr std::array trace_formats{trace_format::oracle_general, trace_format::csv,     trace_format::arc_lis,
                                          trace_format::lirs_blocks,    trace_format::cache2k, trace_format::cache2k_64,
                                          trace_format::mooncake,       trace_format::kuairand};

[[nodiscard]] constexpr std::string_view name_of(trace_format format) noexcept
{
  switch (format) {
    case trace_format::by_name: return "by_name";
    case trace_format::oracle_general: return "oracle_general";
    case trace_format::csv: return "csv";
    case trace_format::arc_lis: return "arc_lis";
    case trace_format::lirs_blocks: return "lirs_blocks";
    case trace_format::cache2k: return "cache2k";
    case trace_format::cache2k_64: return "cache2k_64";
    case trace_format::mooncake: return "mooncake";
    case trace_format::kuairand: return "kuairand";
  }
  return "unknown";
}

namespace detail {

/// Whether a file's first line must tell more: csv or kuairand.
[[nodiscard]] constexpr bool may_be_users(std::string_view name) noexcept
{
  const std::string_view plain = without_packing(name);
  return plain.ends_with(".csv") || plain.ends_with(".tsv");
}

/// Of a name that tells it by itself. Throws data_error for one that does not.
[[nodiscard]] inline trace_format format_by_name(const std::filesystem::path& path)
{
  struct ending
  {
    std::string_view text;
    trace_format format;
  };
  constexpr std::array<ending, 9> endings{{{".oracleGeneral.bin", trace_format::oracle_general},
                                           {".oracleGeneral", trace_format::oracle_general},
                                           {".trc.bin", trace_format::cache2k},
                                           {".i32be", trace_format::cache2k},
                                           {".i64be", trace_format::cache2k_64},
                                           {".lis", trace_format::arc_lis},
                                           {".txt", trace_format::lirs_blocks},
                                           {".trc", trace_format::lirs_blocks},
                                           {".jsonl", trace_format::mooncake}}};
  const std::string whole = path.filename().string();
  const std::string_view name = without_packing(whole);
  for (const ending& known : endings) {
    if (name.ends_with(known.text)) return known.format;
  }
  if (name.starts_with("web12") && name.ends_with(".bin")) return trace_format::cache2k;
  std::string formats;
  for (const trace_format one : trace_formats) formats += (formats.empty() ? "" : ", ") + std::string(name_of(one));
  throw data_error(path == "-" ? "standard input" : path.string(), 0,
                   "the name does not tell the format; say it (trace_options.format, --format): " + formats +
                       ". Names that tell it end in .oracleGeneral.bin, .csv, .tsv, .lis, .txt, .trc, .i32be, .i64be, "
                       ".trc.bin or .jsonl, each also with .zst or .gz; a folder is one of KuaiRand");
}

/// By the first line that is not blank; nothing is consumed.
[[nodiscard]] inline trace_format table_format(input_file& file)
{
  constexpr std::size_t longest = std::size_t{1} << 16;
  std::string_view text = file.unread();
  const auto front = [&text] { return text.find_first_not_of("\r\n"); };
  while (text.size() < longest && (front() == std::string_view::npos || text.find('\n', front()) == text.npos)) {
    if (!file.more()) break;
    text = file.unread();
  }
  text = file.unread();
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (front() == std::string_view::npos) file.fail("the file is empty");
  text.remove_prefix(front());
  const std::string_view line = text.substr(0, text.find_first_of("\r\n"));
  std::vector<std::string_view> names;
  split_fields(line, line.find('\t') != std::string_view::npos ? '\t' : ',', names);
  for (const std::string_view wanted : {"user_id", "video_id", "time_ms"}) {
    bool found = false;
    for (const std::string_view name : names) found |= is_same_name(trimmed(name), wanted);
    if (!found) return trace_format::csv;
  }
  return trace_format::kuairand;
}

}  // namespace detail

}  // namespace kvstrata
