// What the tests of access sources share.
#pragma once

#include "scratch.hpp"

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace kvstrata_test {

using accesses = std::vector<kvstrata::trace_access>;

/// Reads to the end in chunks of `chunk`; a trace past `most` fails.
template <kvstrata::access_source Source>
accesses read_in_chunks(Source&& source, std::size_t chunk, std::size_t most = 10'000'000)
{
  accesses all;
  accesses out(chunk);
  while (const std::size_t got = source.read(out)) {
    if (got > chunk) FAIL("a chunk is larger than what was asked for");
    all.insert(all.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(got));
    if (all.size() > most) FAIL("the source does not end");
  }
  return all;
}

inline std::vector<std::uint64_t> keys_of(const accesses& all)
{
  std::vector<std::uint64_t> keys;
  for (const kvstrata::trace_access& one : all) keys.push_back(one.key);
  return keys;
}

/// What is said of the file when `open()` is read to its end; "none" when nothing is.
template <class Open>
std::string complaint(Open&& open)
{
  try {
    auto source = open();
    static_cast<void>(kvstrata::read_all(source));
  } catch (const kvstrata::data_error& problem) {
    return problem.what();
  }
  return "none";
}

/// The bytes of a number, the least significant first.
template <class Number>
std::string little(Number number)
{
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(Number); ++i) bytes += static_cast<char>(number >> (8 * i) & 0xff);
  return bytes;
}

/// A record of libCacheSim's oracleGeneral.
inline std::string oracle_record(std::uint32_t seconds, std::uint64_t key, std::uint32_t bytes, std::int64_t next)
{
  return little(seconds) + little(key) + little(bytes) + little(std::bit_cast<std::uint64_t>(next));
}

}  // namespace kvstrata_test
