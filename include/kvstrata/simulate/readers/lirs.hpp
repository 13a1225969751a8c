// The traces of the LIRS authors (Jiang and Zhang, SIGMETRICS 2002): one block a line; a line with a star
// is a mark, one that begins with # a comment.
#pragma once

#include <kvstrata/simulate/readers/key_text.hpp>
#include <kvstrata/simulate/readers/line_source.hpp>
#include <kvstrata/simulate/text_lines.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cstdint>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

class lirs_format
{
 public:
  explicit lirs_format(id_kind ids = id_kind::number) : ids_(ids) {}

  void take(std::string_view line, const text_lines& where)
  {
    const std::string_view digits = detail::trimmed(line);
    if (digits.empty() || digits.front() == '#' || digits.find('*') != std::string_view::npos) return;
    key_ = detail::key_of(digits, ids_, "the block", where);
    pending_ = true;
  }

  bool next(trace_access& access) noexcept
  {
    access.key = key_;
    return std::exchange(pending_, false);
  }

  void note(trace_notes& notes) const
  {
    if (ids_ != id_kind::number) notes.ids = name_of(ids_);
  }

 private:
  id_kind ids_;
  std::uint64_t key_ = 0;
  bool pending_ = false;
};

using lirs_source = line_source<lirs_format>;

static_assert(access_source<lirs_source>);

}  // namespace kvstrata
