// Opens a trace of any known format.
//
// name                                  format
// ------------------------------------- -------------------------------------------------------------------------
// *.oracleGeneral.bin, *.oracleGeneral  oracle_general
// *.csv, *.tsv                          kuairand if the header names user_id, video_id and time_ms, else csv
// *.lis                                 arc_lis
// *.txt, *.trc                          lirs_blocks
// *.i32be, *.trc.bin, web12*.bin        cache2k
// *.i64be                               cache2k_64
// *.jsonl                               mooncake
// a folder                              kuairand
//
// Each may end in .zst, .zstd or .gz, too; whether a file is compressed, its first bytes say, not its name. The path "-" is
// standard input, whose format must be said.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/input_file.hpp>
#include <kvstrata/simulate/kuairand.hpp>
#include <kvstrata/simulate/packing.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/readers/arc_lis.hpp>
#include <kvstrata/simulate/readers/cache2k.hpp>
#include <kvstrata/simulate/readers/csv.hpp>
#include <kvstrata/simulate/readers/lirs.hpp>
#include <kvstrata/simulate/readers/mooncake.hpp>
#include <kvstrata/simulate/readers/oracle_general.hpp>
#include <kvstrata/simulate/readers/requests.hpp>
#include <kvstrata/simulate/readers/served_sizes.hpp>
#include <kvstrata/simulate/readers/trace_format.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct trace_options
{
  trace_format format = trace_format::by_name;
  csv_options csv{};
  mooncake_options mooncake{};
  kuairand_options kuairand{};
  std::uint64_t token_bytes = request_source::paper_token_bytes;  ///< of KuaiRand's users
  id_kind ids = id_kind::number;                                  ///< of lirs_blocks; csv and mooncake have their own
  double oracle_ms_per_time = 1000;                               ///< unit of oracle_general's times
  zero_sizes zeros = zero_sizes::skip;                            ///< what becomes of requests of size 0
  unpacker_maker unpack = nullptr;  ///< undoes the compression of files, see packing.hpp; KuaiRand's, too
};

/// The format that a path is opened in. Throws data_error when its name tells none, or a table cannot be read.
[[nodiscard]] inline trace_format find_format(const std::filesystem::path& path, unpacker_maker unpack = nullptr)
{
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return trace_format::kuairand;
  const std::string name = path.filename().string();
  if (!detail::may_be_users(name)) return detail::format_by_name(path);
  input_file file(path, unpack);
  return detail::table_format(file);
}

namespace detail {

/// What a hit is in a trace that knows no more than keys.
[[nodiscard]] constexpr std::string_view hit_of(trace_format format) noexcept
{
  switch (format) {
    case trace_format::oracle_general:
    case trace_format::csv:
      return "the object is in the cache; whether it is still what was asked for, a trace does not tell";
    case trace_format::arc_lis:
    case trace_format::lirs_blocks:
      return "the block is in the cache; a request for several is as many, and the trace does not tell reads from "
             "writes";
    case trace_format::cache2k:
    case trace_format::cache2k_64: return "the key is in the cache";
    case trace_format::mooncake: return "the block is in the cache, whether or not those before it are";
    case trace_format::by_name:
    case trace_format::kuairand: break;
  }
  return {};
}

/// A source that says what a hit is in it.
template <access_source Source>
class told_source
{
 public:
  told_source(Source source, std::string_view hit) : source_(std::move(source)), hit_(hit) {}

  std::size_t read(std::span<trace_access> out) { return source_.read(out); }
  [[nodiscard]] std::string_view name() const { return source_.name(); }
  [[nodiscard]] double progress() const { return progress_of(source_); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return files_of(source_); }
  [[nodiscard]] trace_notes notes() const
  {
    trace_notes out = notes_of(source_);
    out.hit = hit_;
    return out;
  }

 private:
  Source source_;
  std::string_view hit_;
};

}  // namespace detail

/// Requests of size 0 are left out or served as trace_options say. Throws data_error and config_error.
[[nodiscard]] inline any_source open_trace(const std::filesystem::path& path, const trace_options& options = {})
{
  std::error_code ignored;
  kuairand_options kuairand = options.kuairand;
  if (kuairand.unpack == nullptr) kuairand.unpack = options.unpack;
  if (path != "-" && !std::filesystem::exists(path, ignored)) {
    throw data_error(path.string(), 0, "no such file or folder");
  }
  const bool by_name = options.format == trace_format::by_name;
  if (std::filesystem::is_directory(path, ignored) && (by_name || options.format == trace_format::kuairand)) {
    return kuairand_accesses(path, kuairand, options.token_bytes);
  }
  std::string name = path == "-" ? "standard input" : path.filename().string();
  trace_format format = options.format;
  const bool looks_inside = by_name && detail::may_be_users(name);
  if (by_name && path == "-") format = detail::format_by_name(path);  // nobody waits for input to be told so
  input_file file(path,
                  options.unpack);  // who is packed in a way that is not unpacked is told that, and not of the name
  if (looks_inside) format = detail::table_format(file);
  else if (by_name) format = detail::format_by_name(path);

  const auto opened = [&]<class Source>(Source source) -> any_source {
    return detail::told_source(served_sizes(std::move(source), options.zeros), detail::hit_of(format));
  };
  switch (format) {
    case trace_format::by_name: break;
    case trace_format::oracle_general:
      return opened(
          oracle_general_source(std::move(file), std::move(name), oracle_general_format(options.oracle_ms_per_time)));
    case trace_format::csv: return opened(csv_source(std::move(file), std::move(name), csv_format(options.csv)));
    case trace_format::arc_lis: return opened(arc_lis_source(std::move(file), std::move(name)));
    case trace_format::lirs_blocks:
      return opened(lirs_source(std::move(file), std::move(name), lirs_format(options.ids)));
    case trace_format::cache2k:
      return opened(cache2k_source(std::move(file), std::move(name), cache2k_format(!by_name)));
    case trace_format::cache2k_64: return opened(cache2k_64_source(std::move(file), std::move(name)));
    case trace_format::mooncake:
      return opened(mooncake_source(std::move(file), std::move(name), mooncake_format(options.mooncake)));
    case trace_format::kuairand: return kuairand_accesses(std::move(file), path, kuairand, options.token_bytes);
  }
  throw config_error("trace_options.format", static_cast<std::uint64_t>(options.format), "there is no such format");
}

}  // namespace kvstrata
