// The real traces as lists of keys, and what other programs counted on them. Formats: the data's own README.
#pragma once

#include "support/data.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kvstrata_test {

using key_list = std::vector<std::uint64_t>;

namespace detail {

[[nodiscard]] inline std::string read_all(const std::filesystem::path& file)
{
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file.string() + " cannot be opened");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

[[nodiscard]] inline std::uint64_t unsigned_at(const std::string& bytes, std::size_t at, std::size_t width, bool big)
{
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[at + (big ? i : width - 1 - i)]);
    value = value << 8U | byte;
  }
  return value;
}

/// Big-endian 32-bit keys.
[[nodiscard]] inline key_list web12(const std::filesystem::path& file)
{
  const std::string bytes = read_all(file);
  key_list keys;
  for (std::size_t at = 0; at + 4 <= bytes.size(); at += 4) keys.push_back(unsigned_at(bytes, at, 4, true));
  return keys;
}

/// Little-endian records: u32 time, u64 id, u32 size, i64 next access.
[[nodiscard]] inline key_list oracle_general(const std::filesystem::path& file)
{
  const std::string bytes = read_all(file);
  key_list keys;
  for (std::size_t at = 0; at + 24 <= bytes.size(); at += 24) keys.push_back(unsigned_at(bytes, at + 4, 8, false));
  return keys;
}

/// One block a line; lines with a star are marks.
[[nodiscard]] inline key_list lirs(const std::filesystem::path& file)
{
  std::ifstream in(file);
  key_list keys;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.find('*') == std::string::npos) keys.push_back(std::stoull(line));
  }
  return keys;
}

/// The numbers in "hash_ids": [...] of each line.
[[nodiscard]] inline key_list mooncake(const std::filesystem::path& file)
{
  std::ifstream in(file);
  key_list keys;
  for (std::string line; std::getline(in, line);) {
    const std::size_t name = line.find("\"hash_ids\"");
    if (name == std::string::npos) continue;
    const std::size_t begin = line.find('[', name) + 1;
    std::string numbers = line.substr(begin, line.find(']', begin) - begin);
    std::replace(numbers.begin(), numbers.end(), ',', ' ');
    std::istringstream each(numbers);
    for (std::uint64_t key = 0; each >> key;) keys.push_back(key);
  }
  return keys;
}

/// The users of a KuaiRand log: of every event, or of those that follow more than 30 minutes of silence.
[[nodiscard]] inline key_list kuairand(const std::filesystem::path& file, bool sessions)
{
  struct row
  {
    std::int64_t time;
    std::uint64_t user;
  };
  std::ifstream in(file);
  std::vector<row> rows;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    row r{};
    fields >> r.user >> r.time;
    rows.push_back(r);
  }
  std::stable_sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.time < b.time; });
  constexpr std::int64_t silence_ms = 30 * 60 * 1000;
  std::unordered_map<std::uint64_t, std::int64_t> last;
  key_list keys;
  for (const row& r : rows) {
    const auto found = last.try_emplace(r.user, r.time);
    const bool asks = found.second || r.time - found.first->second > silence_ms;
    found.first->second = r.time;
    if (asks || !sessions) keys.push_back(r.user);
  }
  return keys;
}

}  // namespace detail

/// The keys of a trace by the name it has among the expected counts; empty when its file is not on this machine.
[[nodiscard]] inline std::optional<key_list> find_key_trace(std::string_view name)
{
  const auto read = [](std::string_view file, auto&& reader) -> std::optional<key_list> {
    const auto path = find_data(file);
    if (!path) return std::nullopt;
    return reader(*path);
  };
  const auto log = [](bool sessions) {
    return [sessions](const std::filesystem::path& file) { return detail::kuairand(file, sessions); };
  };
  constexpr std::string_view kuairand_log = "kuairand-pure-2w/log_standard_0425_0508.tsv";
  if (name == "cloudphysics") return read("cloudphysics/cloudPhysicsIO.oracleGeneral.bin", detail::oracle_general);
  if (name == "cache2k_web12") return read("cache2k-web12/web12.i32be", detail::web12);
  if (name == "kuairand_interaction") return read(kuairand_log, log(false));
  if (name == "kuairand_session") return read(kuairand_log, log(true));
  if (name == "mooncake_conversation") return read("mooncake-conversation/conversation_trace.jsonl", detail::mooncake);
  if (name.starts_with("lirs_")) return read("lirs/" + std::string(name.substr(5)) + ".txt", detail::lirs);
  throw std::runtime_error("there is no reader for the trace '" + std::string(name) + "'");
}

struct expected_count
{
  std::string trace;
  std::string policy;
  std::size_t capacity = 0;
  std::uint64_t requests = 0;
  std::uint64_t misses = 0;
};

/// The rows of expected/unit_size_misses.tsv; empty when it is not on this machine.
[[nodiscard]] inline std::vector<expected_count> expected_counts()
{
  std::vector<expected_count> rows;
  const auto file = find_data("expected/unit_size_misses.tsv");
  if (!file) return rows;
  std::ifstream in(*file);
  std::string header;
  std::getline(in, header);
  for (expected_count row; in >> row.trace >> row.policy >> row.capacity >> row.requests >> row.misses;) {
    rows.push_back(row);
  }
  return rows;
}

}  // namespace kvstrata_test
