// Mooncake's request traces (Qin et al., FAST 2025): a line of JSON is an LLM request with its `timestamp` in ms and,
// as `hash_ids`, the blocks of 512 tokens of its prompt. Each block is an access.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/readers/json_line.hpp>
#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace kvstrata {

struct mooncake_options
{
  std::uint64_t block_bytes = 1;  ///< of a block's KV; the trace does not tell
};

/// A request may be as long as a line: its blocks are all that is kept.
class mooncake_format
{
 public:
  /// Throws config_error.
  explicit mooncake_format(const mooncake_options& options = {}) : options_(options)
  {
    if (options.block_bytes == 0) throw config_error("mooncake_options.block_bytes", 0, "it must be at least 1");
    if (options.block_bytes > most_object_bytes) {
      throw config_error("mooncake_options.block_bytes", options.block_bytes, "it may be at most 2^60");
    }
  }

  void take(std::string_view line, const text_lines& where)
  {
    constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
    constexpr std::uint64_t latest = (std::numeric_limits<std::int64_t>::max)();
    unsigned times = 0;
    unsigned lists = 0;
    blocks_.clear();
    at_ = 0;
    json_line json(line, where);
    json.members([&](std::string_view name) {
      if (name == "timestamp") {
        time_ms_ = static_cast<std::int64_t>(where.number(json.number(), "timestamp", latest));
        ++times;
      } else if (name == "hash_ids") {
        json.each([&] { blocks_.push_back(where.number(json.number(), "a number of hash_ids", any)); });
        ++lists;
      } else {
        json.skip();
      }
    });
    json.expect_end();
    if (times != 1) where.fail(times == 0 ? "the request has no timestamp" : "the request has two timestamps");
    if (lists != 1) where.fail(lists == 0 ? "the request has no hash_ids" : "the request has hash_ids twice");
  }

  bool next(trace_access& access) noexcept
  {
    if (at_ == blocks_.size()) return false;
    access = {.key = blocks_[at_++], .time_ms = time_ms_, .bytes = options_.block_bytes};
    return true;
  }

 private:
  mooncake_options options_;
  std::int64_t time_ms_ = 0;
  std::vector<std::uint64_t> blocks_;  // of the line
  std::size_t at_ = 0;                 // the next one
};

using mooncake_source = line_source<mooncake_format>;

static_assert(access_source<mooncake_source>);

}  // namespace kvstrata
