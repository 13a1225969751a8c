// The traces of the LIRS authors (Jiang and Zhang, SIGMETRICS 2002): one block a line; a line with a star is a mark.
#pragma once

#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>

namespace kvstrata {

class lirs_format
{
 public:
  void take(std::string_view line, const text_lines& where)
  {
    const std::string_view digits = detail::trimmed(line);
    if (digits.empty() || digits.find('*') != std::string_view::npos) return;
    key_ = where.number(digits, "the block", (std::numeric_limits<std::uint64_t>::max)());
    pending_ = true;
  }

  bool next(trace_access& access) noexcept
  {
    access.key = key_;
    return std::exchange(pending_, false);
  }

 private:
  std::uint64_t key_ = 0;
  bool pending_ = false;
};

using lirs_source = line_source<lirs_format>;

static_assert(access_source<lirs_source>);

}  // namespace kvstrata
