// Writes what a source reads as a file in a format of libCacheSim's: to convert traces, or to hold results against it.
// The file is there as a whole or not at all (output_file.hpp), and never the one that the source reads.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/file_paths.hpp>
#include <kvstrata/simulate/output_file.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

namespace detail {

/// Throws usage_error when `path` is a file that the source reads.
template <access_source Source>
void require_other_file(const Source& source, const std::filesystem::path& path)
{
  for (const std::filesystem::path& read : files_of(source)) {
    if (!is_same_file(path, read)) continue;
    throw usage_error(path.string() + " cannot be written: it is a file that the source reads, " + read.string());
  }
}

/// Calls put(access, position, text) for every access left in the source; what it appends to `text` is written.
template <access_source Source, class Put>
std::uint64_t write_accesses(Source& source, output_file& into, std::string text, Put&& put)
{
  std::vector<trace_access> chunk(4096);
  std::uint64_t position = 0;
  while (const std::size_t got = source.read(chunk)) {
    for (std::size_t k = 0; k < got; ++k) put(chunk[k], position++, text);
    into.write(text);
    text.clear();
  }
  into.write(text);
  into.finish();
  return position;
}

template <class Number>
void append_little_endian(Number number, std::string& text)
{
  for (std::size_t i = 0; i < sizeof(Number); ++i) text += static_cast<char>(number >> (8 * i) & 0xffU);
}

[[nodiscard]] inline std::string access_place(std::uint64_t position)
{
  return "access " + std::to_string(position + 1);
}

}  // namespace detail

/// Writes what is left of the source as oracleGeneral; times are cut to whole seconds. Returns the number of accesses.
/// Throws data_error when a file cannot be written, a time or a size does not fit into 32 bits, or an access does not
/// tell the next one of its key (with_future() does), and usage_error when `path` is a file that the source reads, by
/// whatever name or link; then the path holds what it held before.
template <access_source Source>
std::uint64_t write_oracle_general(Source&& source, const std::filesystem::path& path)
{
  detail::require_other_file(source, path);
  output_file into(path);
  constexpr std::uint64_t most = (std::numeric_limits<std::uint32_t>::max)();
  const auto put = [&into](const trace_access& access, std::uint64_t position, std::string& text) {
    const auto fits = [&](std::uint64_t value, std::string_view what) {
      if (value > most) {
        into.fail(detail::access_place(position) + ": the " + std::string(what) + " is " + std::to_string(value) +
                  ", but it may be at most " + std::to_string(most));
      }
      return static_cast<std::uint32_t>(value);
    };
    if (access.time_ms < 0) into.fail(detail::access_place(position) + ": the time lies before 1970");
    if (access.next_request == reuse_hint::unknown) {
      into.fail(detail::access_place(position) + " does not tell when its key comes again, and the format needs it");
    }
    const bool last = access.next_request == reuse_hint::never;
    detail::append_little_endian(fits(static_cast<std::uint64_t>(access.time_ms) / 1000, "time in seconds"), text);
    detail::append_little_endian(access.key, text);
    detail::append_little_endian(fits(access.bytes, "size"), text);
    detail::append_little_endian(last ? ~std::uint64_t{0} : access.next_request + 1, text);
  };
  return detail::write_accesses(source, into, {}, put);
}

/// Writes what is left of the source as CSV with the header time,id,size; times are seconds with three decimals.
/// Returns the number of accesses. Throws data_error when the file cannot be written or a time lies before 1970, and
/// usage_error as above; then the path holds what it held before.
template <access_source Source>
std::uint64_t write_csv(Source&& source, const std::filesystem::path& path)
{
  detail::require_other_file(source, path);
  output_file into(path);
  const auto put = [&into](const trace_access& access, std::uint64_t position, std::string& text) {
    if (access.time_ms < 0) into.fail(detail::access_place(position) + ": the time lies before 1970");
    const std::string decimals = std::to_string(1000 + access.time_ms % 1000);
    text += std::to_string(access.time_ms / 1000) + '.';
    text.append(decimals, 1, 3);
    text += ',' + std::to_string(access.key) + ',' + std::to_string(access.bytes) + '\n';
  };
  return detail::write_accesses(source, into, "time,id,size\n", put);
}

}  // namespace kvstrata
