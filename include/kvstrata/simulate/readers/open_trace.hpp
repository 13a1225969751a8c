// Opens a trace of any known format.
//
// name                                  format
// ------------------------------------- -------------------------------------------------------------------------
// *.oracleGeneral.bin, *.oracleGeneral  oracle_general
// *.csv, *.tsv                          kuairand if the header names user_id, video_id and time_ms, else csv
// *.lis                                 arc_lis
// *.txt, *.trc                          lirs_blocks
// *.i32be, *.trc.bin, web12*.bin        cache2k
// *.jsonl                               mooncake
// a folder                              kuairand
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/readers/arc_lis.hpp>
#include <kvstrata/simulate/readers/cache2k.hpp>
#include <kvstrata/simulate/readers/csv.hpp>
#include <kvstrata/simulate/readers/lirs.hpp>
#include <kvstrata/simulate/readers/mooncake.hpp>
#include <kvstrata/simulate/readers/oracle_general.hpp>
#include <kvstrata/simulate/readers/requests.hpp>
#include <kvstrata/simulate/table_reader.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace kvstrata {

enum class trace_format : std::uint8_t {
  by_name,  ///< as the table above says
  oracle_general,
  csv,
  arc_lis,
  lirs_blocks,
  cache2k,
  mooncake,
  kuairand,  ///< the only one that is held in memory: a user's requests need the whole log
};

[[nodiscard]] constexpr std::string_view name_of(trace_format format) noexcept
{
  switch (format) {
    case trace_format::by_name: return "by_name";
    case trace_format::oracle_general: return "oracle_general";
    case trace_format::csv: return "csv";
    case trace_format::arc_lis: return "arc_lis";
    case trace_format::lirs_blocks: return "lirs_blocks";
    case trace_format::cache2k: return "cache2k";
    case trace_format::mooncake: return "mooncake";
    case trace_format::kuairand: return "kuairand";
  }
  return "unknown";
}

struct trace_options
{
  trace_format format = trace_format::by_name;
  csv_options csv{};
  mooncake_options mooncake{};
  kuairand_options kuairand{};
  std::uint64_t token_bytes = request_source::paper_token_bytes;  ///< of KuaiRand's users
};

/// The format that a path is opened in. Throws data_error when its name tells none, or a table cannot be read.
[[nodiscard]] inline trace_format find_format(const std::filesystem::path& path)
{
  struct ending
  {
    std::string_view text;
    trace_format format;
  };
  constexpr std::array<ending, 8> endings{{{".oracleGeneral.bin", trace_format::oracle_general},
                                           {".oracleGeneral", trace_format::oracle_general},
                                           {".trc.bin", trace_format::cache2k},
                                           {".i32be", trace_format::cache2k},
                                           {".lis", trace_format::arc_lis},
                                           {".txt", trace_format::lirs_blocks},
                                           {".trc", trace_format::lirs_blocks},
                                           {".jsonl", trace_format::mooncake}}};
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return trace_format::kuairand;
  const std::string name = path.filename().string();
  for (const ending& known : endings) {
    if (name.ends_with(known.text)) return known.format;
  }
  if (name.starts_with("web12") && name.ends_with(".bin")) return trace_format::cache2k;
  if (name.ends_with(".csv") || name.ends_with(".tsv")) {
    const table_reader table(path);
    const bool users = table.has("user_id") && table.has("video_id") && table.has("time_ms");
    return users ? trace_format::kuairand : trace_format::csv;
  }
  throw data_error(
      path.string(), 0,
      "the name does not tell the format: known are a folder of KuaiRand and files that end in "
      ".oracleGeneral.bin, .csv, .tsv, .lis, .txt, .trc, .i32be, .trc.bin or .jsonl; a program may say it");
}

/// Throws data_error and config_error.
[[nodiscard]] inline any_source open_trace(const std::filesystem::path& path, const trace_options& options = {})
{
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw data_error(path.string(), 0, "no such file or folder");
  switch (options.format == trace_format::by_name ? find_format(path) : options.format) {
    case trace_format::by_name: break;
    case trace_format::oracle_general: return oracle_general_source(path);
    case trace_format::csv: return csv_source(path, csv_format(options.csv));
    case trace_format::arc_lis: return arc_lis_source(path);
    case trace_format::lirs_blocks: return lirs_source(path);
    case trace_format::cache2k: return cache2k_source(path);
    case trace_format::mooncake: return mooncake_source(path, mooncake_format(options.mooncake));
    case trace_format::kuairand: return kuairand_accesses(path, options.kuairand, options.token_bytes);
  }
  throw config_error("trace_options.format", static_cast<std::uint64_t>(options.format), "there is no such format");
}

}  // namespace kvstrata
