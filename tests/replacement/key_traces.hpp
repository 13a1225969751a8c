// The real traces as lists of keys, and what other programs counted on them.
#pragma once

#include "support/data.hpp"

#include <kvstrata/simulate/readers/memory_source.hpp>
#include <kvstrata/simulate/readers/open_trace.hpp>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace kvstrata_test {

using key_list = std::vector<std::uint64_t>;

/// The keys of a trace by the name it has among the expected counts; empty when its file is not on this machine.
[[nodiscard]] inline std::optional<key_list> find_key_trace(std::string_view name)
{
  std::string file;
  kvstrata::trace_options options;
  if (name == "cloudphysics") file = "cloudphysics/cloudPhysicsIO.oracleGeneral.bin";
  if (name == "cache2k_web12") file = "cache2k-web12/web12.i32be";
  if (name == "mooncake_conversation") file = "mooncake-conversation/conversation_trace.jsonl";
  if (name.starts_with("lirs_")) file = "lirs/" + std::string(name.substr(5)) + ".txt";
  if (name.starts_with("kuairand_")) file = "kuairand-pure-2w/log_standard_0425_0508.tsv";
  if (name == "kuairand_interaction") options.kuairand.requests.stream = kvstrata::request_stream::interaction;
  if (file.empty()) throw std::runtime_error("there is no reader for the trace '" + std::string(name) + "'");
  const auto path = find_data(file);
  if (!path) return std::nullopt;
  key_list keys;
  for (const kvstrata::trace_access& one : kvstrata::read_all(kvstrata::open_trace(*path, options))) {
    keys.push_back(one.key);
  }
  return keys;
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
