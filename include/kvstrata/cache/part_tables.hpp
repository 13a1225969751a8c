// The page tables of a lease whose requests have parts: one a part, in the form of a cascade.
#pragma once

#include <kvstrata/books/extent_list.hpp>
#include <kvstrata/cache/table_rows.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/move/lease_pages.hpp>
#include <kvstrata/plan/plan.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of parts behind the first, whose table is the lease's own. A request that has no such part has no pages there. Keeps its
/// memory. Not synchronised.
class part_tables
{
 public:
  /// Fills `first` and these from the rows of a plan. `extents_of(row)`: what lies where in the slab.
  template <class ExtentsOf>
  void write(const batch_plan& plan, token_count page_tokens, page_table& first, ExtentsOf&& extents_of)
  {
    count_ = 1;
    for (std::size_t i = 0; i < plan.size(); ++i) count_ = (std::max)(count_, plan.parts(i));
    if (more_.size() + 1 < count_) more_.resize(count_ - 1);
    for (std::size_t part = 0; part < count_; ++part) {
      page_table& table = part == 0 ? first : more_[part - 1];
      table.start(plan.size());
      for (std::size_t i = 0; i < plan.size(); ++i) {
        if (part >= plan.parts(i)) table.finish_request(0, 0, page_tokens);
        else write_row(plan.requests[plan.row(i, part)], extents_of(plan.row(i, part)), page_tokens, table);
      }
    }
  }

  /// What landed in the window is read there, by all rows of its sequence. same_as(row): the first of these.
  template <class SameAs>
  void read_window(const lease_pages& pages, const batch_plan& plan, token_count page_tokens, page_table& first,
                   SameAs&& same_as)
  {
    if (pages.runs.empty()) return;
    for (std::size_t i = 0; i < plan.size(); ++i) {
      for (std::size_t part = 0; part < plan.parts(i); ++part) {
        const std::size_t row = same_as(plan.row(i, part));
        const page_count first_page = plan.requests[row].first_token / page_tokens;
        const auto before = [](const lease_pages::run& r, std::size_t request) { return r.request < request; };
        auto run = std::lower_bound(pages.runs.begin(), pages.runs.end(), row, before);  // they ascend
        for (; run != pages.runs.end() && run->request == row; ++run)
          (part == 0 ? first : more_[part - 1]).replace(i, run->page - first_page, run->where.first, run->where.count);
      }
    }
  }

  /// Parts that the request with the most of them has.
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] const page_table& of(std::size_t part, const page_table& first) const noexcept
  {
    return part == 0 ? first : more_[part - 1];
  }
  void clear() noexcept { count_ = 1; }

 private:
  std::vector<page_table> more_;
  std::size_t count_ = 1;
};

}  // namespace kvstrata
