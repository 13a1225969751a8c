// Prompts in several parts: a prefix that many requests share, say, and a history behind it, each in pages of its own.
#pragma once

#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace decoder {

/// The parts of a batch's prompts, in order; request r of each is request r of the batch. Positions go on from part to part, and
/// tokens see the parts in front of theirs. Refers to the views, which must stay.
class prompt_views
{
 public:
  prompt_views() = default;
  /// One part each, where it lies.
  prompt_views(const kvstrata::page_table_view& only) noexcept : parts_(&only, 1) {}
  prompt_views(std::span<const kvstrata::page_table_view> parts) noexcept : parts_(parts) {}

  [[nodiscard]] std::span<const kvstrata::page_table_view> parts() const noexcept { return parts_; }
  /// Tokens of a request's prompt: where what follows it begins.
  [[nodiscard]] kvstrata::token_count tokens(std::size_t request) const
  {
    kvstrata::token_count sum = 0;
    for (const kvstrata::page_table_view& part : parts_) sum += part.tokens(request);
    return sum;
  }

 private:
  std::span<const kvstrata::page_table_view> parts_;
};

}  // namespace decoder
