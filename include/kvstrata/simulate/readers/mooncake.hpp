// Mooncake's request traces (Qin et al., FAST 2025): a line of JSON is an LLM request with its `timestamp` in ms and,
// as `hash_ids`, the blocks of 512 tokens of its prompt. Each block is an access, and a part of its request: keys and values
// of a block are of use where those of all blocks before it are there, too.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/simulate/readers/json_line.hpp>
#include <kvstrata/simulate/readers/key_text.hpp>
#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

struct mooncake_options
{
  std::uint64_t block_bytes = 1;  ///< of a block's KV; the trace does not tell
  double ms_per_time = 1;         ///< unit of `timestamp`, which may have decimals
  id_kind ids = id_kind::number;  ///< an id in quotes is a text, but for hexadecimal ones
};

/// A request may be as long as a line: its blocks are all that is kept. One without a time comes with the one before.
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
    check_ms_per_time("mooncake_options.ms_per_time", options.ms_per_time);
  }

  void take(std::string_view line, const text_lines& where)
  {
    unsigned times = 0;
    unsigned lists = 0;
    bool timed = false;
    blocks_.clear();
    at_ = 0;
    json_line json(line, where);
    json.members([&](std::string_view name) {
      if (name == "timestamp") {
        ++times;
        if (json.take_word("null")) return;
        time_ms_ = detail::time_of(json.number(), options_.ms_per_time, "timestamp", where);
        timed = true;
      } else if (name == "hash_ids") {
        json.each([&] { blocks_.push_back(block(json, where)); });
        ++lists;
      } else {
        json.skip();
      }
    });
    json.expect_end();
    if (times > 1) where.fail("the request has two timestamps");
    if (lists != 1) where.fail(lists == 0 ? "the request has no hash_ids" : "the request has hash_ids twice");
    if (blocks_.size() > most_blocks) where.fail("the request has more than 2^32 blocks");
    if (timed) timed_ = true;
    else ++untimed_;
  }

  bool next(trace_access& access) noexcept
  {
    if (at_ == blocks_.size()) return false;
    access = trace_access{.key = blocks_[at_],
                          .time_ms = time_ms_,
                          .bytes = options_.block_bytes,
                          .part = static_cast<std::uint32_t>(at_)};
    ++at_;
    return true;
  }

  void note(trace_notes& notes) const
  {
    if (options_.ids != id_kind::number) notes.ids = name_of(options_.ids);
    if (!timed_) return;
    notes.time_unit = unit_of_ms(options_.ms_per_time);
    notes.untimed = untimed_;
  }

 private:
  static constexpr std::uint64_t most_blocks = (std::numeric_limits<std::uint32_t>::max)();

  [[nodiscard]] std::uint64_t block(json_line& json, const text_lines& where) const
  {
    if (!json.comes('"')) return detail::key_of(json.number(), options_.ids, "a number of hash_ids", where);
    const id_kind kind = options_.ids == id_kind::hex ? id_kind::hex : id_kind::text;
    return detail::key_of(json.text(), kind, "an id of hash_ids", where);
  }

  mooncake_options options_;
  std::int64_t time_ms_ = 0;
  std::vector<std::uint64_t> blocks_;  // of the line
  std::size_t at_ = 0;                 // the next one
  bool timed_ = false;                 // a line had a time
  std::uint64_t untimed_ = 0;
};

using mooncake_source = line_source<mooncake_format>;

static_assert(access_source<mooncake_source>);

}  // namespace kvstrata
