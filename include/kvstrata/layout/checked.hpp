// A layout, held to the table of layout/concepts.hpp in all that it is asked: `.layout = {{.page_tokens = 16}}`.
#pragma once

#include <kvstrata/core/checked.hpp>
#include <kvstrata/layout/check_places.hpp>

#include <string>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Throws contract_error. O(layers) a call.
template <layout_policy Layout>
class checked<Layout> : public Layout
{
 public:
  checked() = default;
  checked(const Layout& layout) : Layout(layout) {}  // a checked layout is what it is made of: converts

  [[nodiscard]] token_count chunk_tokens() const
  {
    const token_count chunk = Layout::chunk_tokens();
    if (chunk == 0 || chunk % this->page_tokens != 0) {
      detail::blame<Layout>("::chunk_tokens() is " + std::to_string(chunk) +
                            ", but must be a multiple of page_tokens, " + std::to_string(this->page_tokens));
    }
    return chunk;
  }
  [[nodiscard]] page_count extent_pages(page_count first, page_count wanted) const
  {
    const page_count pages = Layout::extent_pages(first, wanted);
    const page_count granule = Layout::granule_pages();
    if (pages == 0 || pages % granule != 0) {
      detail::blame<Layout>("::extent_pages(" + std::to_string(first) + ", " + std::to_string(wanted) + ") is " +
                            std::to_string(pages) + ", but must be a multiple of granule_pages(), " +
                            std::to_string(granule) + ", and not 0");
    }
    return pages;
  }
  [[nodiscard]] placement device_place(const geometry& shape, page_count pages) const
  {
    return checked_device_place(shape, static_cast<const Layout&>(*this), pages);
  }
  [[nodiscard]] extent_place lower_place(const geometry& shape, page_count frame, page_count pages,
                                         page_count tier_pages) const
  {
    return checked_lower_place(shape, static_cast<const Layout&>(*this), frame, pages, tier_pages);
  }
};

}  // namespace kvstrata
