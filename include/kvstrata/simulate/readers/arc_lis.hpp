// The .lis traces of the ARC paper (Megiddo and Modha, FAST 2003): a line is the first block, a number of consecutive
// blocks, and two numbers that are not looked at. Each block is an access. A line that begins with # is a comment.
#pragma once

#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class arc_lis_format
{
 public:
  /// A longer run in one line is taken for a broken one.
  static constexpr std::uint64_t longest_run = 100'000'000;

  void take(std::string_view line, const text_lines& where)
  {
    const std::string_view first = detail::take_word(line);
    const std::string_view count = detail::take_word(line);
    if (first.empty() || first.front() == '#') return;
    if (count.empty()) where.fail("the line holds one number, but first block and number of blocks are needed");
    constexpr std::uint64_t any = (std::numeric_limits<std::uint64_t>::max)();
    const std::uint64_t begin = where.number(first, "the first block", any);
    const std::uint64_t blocks = where.number(count, "the number of blocks", longest_run);
    if (blocks != 0 && begin > any - (blocks - 1)) {
      where.fail(std::to_string(blocks) + " blocks from " + std::to_string(begin) + " go past the largest number, " +
                 std::to_string(any));
    }
    key_ = begin;
    left_ = blocks;
  }

  bool next(trace_access& access) noexcept
  {
    if (left_ == 0) return false;
    --left_;
    access.key = key_++;
    return true;
  }

 private:
  std::uint64_t key_ = 0;
  std::uint64_t left_ = 0;
};

using arc_lis_source = line_source<arc_lis_format>;

static_assert(access_source<arc_lis_source>);

}  // namespace kvstrata
