// The copies of one operation, and whose bytes they read and write.
#pragma once

#include <kvstrata/books/exactness.hpp>
#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/coded_pages.hpp>

#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Reused from operation to operation, so that it does not allocate in steady state. Not synchronised.
template <class Residency>
class copy_job
{
 public:
  using entry_type = typename Residency::entry_type;
  static constexpr level_index memories = Residency::memories;
  /// Does that level keep a code of its pages?
  template <level_index Level>
  static constexpr bool codes = Residency::template level_at<Level>::has_codes;

  void start(Residency& residency)
  {
    residency_ = &residency;
    list_.runs.clear();
    list_.coded.clear();
    concerned_.clear();
    bytes_from_ = {};
    list_.piece_bytes = page_layer_bytes(residency.shape(), residency.layout().page_tokens);
    list_.layers = residency.shape().layers;
  }

  [[nodiscard]] bool empty() const noexcept { return list_.empty(); }
  [[nodiscard]] const copy_list& list() const noexcept { return list_; }
  /// Bytes to move from each level.
  [[nodiscard]] const by_level<std::uint64_t>& bytes_from() const noexcept { return bytes_from_; }

  /// The copies of the entry, which is hot, from level From to level To follow; until kept, they may turn out to be none.
  template <level_index From, level_index To>
  void concern_with(entry_type& e)
  {
    runs_before_ = list_.runs.size() + list_.coded.size();
    fence* const uses = e.hot().last_use;
    concerned_.push_back({&e, &uses[From], &uses[To], To, e.template at<To>().tokens});
  }
  /// Keeps the last entry if it got copies; true if so.
  bool keep_if_any()
  {
    if (list_.runs.size() + list_.coded.size() != runs_before_) return true;
    concerned_.pop_back();
    return false;
  }

  /// Copies of `tokens` from the entry's extents in one level to those in the other, which is marked where they are not exact.
  template <level_index From, level_index To>
  void append(entry_type& e, token_interval tokens)
  {
    append_to<From, To>(e, residency_->pages(tokens), e.template at<To>().extents);
    const token_interval with = copied_with(tokens, e.template at<From>().tokens, residency_->layout().page_tokens);
    mark_inexact(e.template at<To>(), inexact_in<typename Residency::tiers_type, From>(e, with));
  }
  /// The same of whole pages, to other extents of level To.
  template <level_index From, level_index To, class Extents>
  void append_to(const entry_type& e, page_interval pages, const Extents& into)
  {
    if (pages.empty()) return;
    auto& source = residency_->template level<From>().memory();
    auto& target = residency_->template level<To>().memory();
    std::size_t piece = list_.piece_bytes;
    if constexpr (codes<From> || codes<To>) {
      const token_interval has = e.template at<From>().tokens;
      append_coded_pages(
          list_.coded, e.template at<From>().extents,
          [&source](const placed_extent& x, page_count p) { return source.end_of(x, p); }, into,
          [&target](const placed_extent& x, page_count p) { return target.end_of(x, p); }, pages,
          [&](page_count p) { return has.contains(residency_->tokens_in({p, p + 1})); });
      piece = travelling_bytes(list_.coded.back().how, piece);
    } else {
      append_copy_runs(list_.runs, e.template at<From>().extents, source.all_ends(), into, target.all_ends(), pages);
    }
    bytes_from_[From] += std::uint64_t{pages.size()} * piece * list_.layers;
  }

  /// They are queued, and over with `done`: whoever keeps raw frames learns of it.
  template <level_index To>
  void tell_codes(event done) noexcept
  {
    if constexpr (codes<To>) residency_->template level<To>().memory().codes().written(list_.coded, done);
    each_level<1, memories>([&](auto from) {
      if constexpr (codes<from()>) {
        if (bytes_from_[from()] != 0) residency_->template level<from()>().memory().codes().read(done);
      }
    });
  }

  /// Who reads or writes the bytes of the entries next waits for `point`, too.
  void mark_used(event point) noexcept
  {
    for (const concern& c : concerned_) {
      remember(residency_->device(), *c.reads, point);
      remember(residency_->device(), *c.writes, point);
    }
  }

  /// The copies could not all be queued: the levels that were to get them have only what they had before. `after`: what
  /// the copies waited for. Returns how many tokens did not come.
  std::uint64_t retract(const fence& after) noexcept
  {
    std::uint64_t lost = 0;
    for (const concern& c : concerned_) {
      remember(residency_->device(), *c.writes, after);
      each_level<1, memories>([&](auto i) {
        if (i() != c.to) return;
        lost += c.who->template at<i()>().tokens.size() - c.had.size();
        residency_->template set_tokens<i()>(*c.who, c.had);
        residency_->template trim<i()>(*c.who);
      });
    }
    concerned_.clear();
    return lost;
  }

  template <class Visit>
  void each_entry(Visit&& visit)
  {
    for (const concern& c : concerned_) visit(*c.who);
  }

 private:
  struct concern
  {
    entry_type* who = nullptr;
    fence* reads = nullptr;   ///< the uses of what is read
    fence* writes = nullptr;  ///< and of what is written
    level_index to = 0;
    token_interval had;  ///< what that level had of them before
  };

  Residency* residency_ = nullptr;
  copy_list list_;
  by_level<std::uint64_t> bytes_from_{};
  std::vector<concern> concerned_;
  std::size_t runs_before_ = 0;
};

/// All that still uses an entry's bytes in these levels.
template <level_index... Levels, class Entry>
void add_last_uses(fence& after, const Entry& e)
{
  (after.add(e.hot().last_use[Levels]), ...);
}

}  // namespace kvstrata
