// A user's extents in a level: mostly in few runs of frames, and one extent takes no memory of its own.
#pragma once

#include <kvstrata/layout/copy_run.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <new>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Extents that ascend without gaps. Those of one size whose frames follow each other are one run, where they may be
/// joined: 12 bytes for one extent, 16 more for each of several runs. What throws is reserve, and push_back and push_front
/// beyond what is reserved, and then nothing has changed. An empty list has no memory.
class extent_list
{
  struct run
  {
    page_count first_page = 0;
    page_count pages = 0;  // of an extent
    page_count frame = 0;
    page_count count = 0;  // of extents

    [[nodiscard]] page_count all_pages() const noexcept { return pages * count; }
    [[nodiscard]] page_count end() const noexcept { return first_page + all_pages(); }
    [[nodiscard]] placed_extent at(page_count which) const noexcept
    {
      return {first_page + which * pages, pages, frame + which * pages};
    }
    [[nodiscard]] placed_extent whole() const noexcept { return {first_page, all_pages(), frame}; }
  };

 public:
  /// Extents one by one.
  class iterator
  {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = placed_extent;
    using difference_type = std::ptrdiff_t;
    using pointer = const placed_extent*;
    using reference = const placed_extent&;

    iterator() = default;
    [[nodiscard]] const placed_extent& operator*() const noexcept { return now_; }
    [[nodiscard]] const placed_extent* operator->() const noexcept { return &now_; }
    iterator& operator++() noexcept
    {
      if (--left_ != 0) {
        now_.first_page += now_.pages;
        now_.frame += now_.pages;
      } else if (next_ != end_) {
        look_at(0);
      }
      return *this;
    }
    iterator operator++(int) noexcept
    {
      const iterator before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const iterator& a, const iterator& b) noexcept
    {
      return a.next_ == b.next_ && a.left_ == b.left_;
    }

   private:
    friend extent_list;

    iterator(const run* next, const run* end) noexcept : next_(next), end_(end) {}
    explicit iterator(const placed_extent& one) noexcept : now_(one), left_(one.pages != 0 ? 1 : 0) {}

    /// That extent of the next run.
    void look_at(page_count which) noexcept
    {
      const run& mine = *next_++;
      now_ = mine.at(which);
      left_ = mine.count - which;
    }

    placed_extent now_;
    page_count left_ = 0;  // of the run, this one included; 0: behind the last
    const run* next_ = nullptr;
    const run* end_ = nullptr;
  };
  using const_iterator = iterator;
  using value_type = placed_extent;

  extent_list() = default;
  extent_list(std::initializer_list<placed_extent> all)
  {
    reserve(all.size());
    for (const placed_extent& x : all) push_back(x, false);
  }
  extent_list(extent_list&& other) noexcept : one_(std::exchange(other.one_, {})) {}
  extent_list& operator=(extent_list&& other) noexcept
  {
    if (this == &other) return *this;
    clear();
    one_ = std::exchange(other.one_, {});
    return *this;
  }
  ~extent_list() { clear(); }

  [[nodiscard]] bool empty() const noexcept { return runs() == 0; }
  /// What they cover.
  [[nodiscard]] page_interval covered() const noexcept
  {
    if (!is_on_heap()) return {one_.first_page, one_.end()};
    return empty() ? page_interval{} : page_interval{block()[1].first_page, block()[runs()].end()};
  }
  [[nodiscard]] placed_extent front() const noexcept { return run_at(0).at(0); }
  [[nodiscard]] placed_extent back() const noexcept
  {
    const run last = run_at(runs() - 1);
    return last.at(last.count - 1);
  }
  [[nodiscard]] iterator begin() const noexcept
  {
    if (!is_on_heap()) return iterator(one_);
    iterator first(block() + 1, block() + 1 + runs());
    if (first != end()) first.look_at(0);
    return first;
  }
  [[nodiscard]] iterator end() const noexcept
  {
    if (!is_on_heap()) return {};
    const run* const behind = block() + 1 + runs();
    return {behind, behind};
  }
  /// The extent that holds a page, which one does. O(log runs).
  [[nodiscard]] iterator holder_of(page_count page) const noexcept
  {
    if (!is_on_heap()) return iterator(one_);
    const run* const first = block() + 1;
    const run* const behind = first + runs();
    const run* const at = std::partition_point(first, behind, [page](const run& r) { return r.end() <= page; });
    iterator out(at, behind);
    out.look_at((page - at->first_page) / at->pages);
    return out;
  }

  /// The extent, where there is one and no memory for more; else null.
  [[nodiscard]] const placed_extent* only_one() const noexcept
  {
    return is_on_heap() || one_.pages == 0 ? nullptr : &one_;
  }

  /// Calls visit(extent) for the runs, each as one: its frames follow each other.
  template <class Visit>
  void each_run(Visit&& visit) const
  {
    if (!is_on_heap()) {
      if (one_.pages != 0) visit(one_);
      return;
    }
    const run* at = block() + 1;
    for (const run* const end = at + runs(); at != end; ++at) visit(at->whole());
  }

  /// Room for so many runs; for a few more where it must move. `joined`: one of them may be of several extents.
  void reserve(std::size_t count, bool joined = false)
  {
    if (is_on_heap() ? count <= block()->count : count <= 1 && !joined) return;
    const std::size_t had = runs();
    const std::size_t room = (std::max)(count, had < 2 ? count : had + had / 4 + 1);
    auto* const made = static_cast<run*>(::operator new((room + 1) * sizeof(run)));
    *made = run{.count = static_cast<page_count>(room)};
    for (std::size_t i = 0; i < had; ++i) made[i + 1] = run_at(i);
    clear();
    std::memcpy(static_cast<void*>(&one_), &made, sizeof made);
    set_runs(had);
  }
  [[nodiscard]] std::size_t runs() const noexcept
  {
    return is_on_heap() ? one_.frame & ~on_heap : one_.pages != 0 ? 1 : 0;
  }

  /// `joins`: to the run before, where it goes on from that.
  void push_back(const placed_extent& x, bool joins)
  {
    if (joins && !empty()) {
      const run before = run_at(runs() - 1);
      if (before.pages == x.pages && before.end() == x.first_page && before.frame + before.all_pages() == x.frame) {
        reserve(runs(), true);
        ++block()[runs()].count;
        return;
      }
    }
    reserve(runs() + 1);
    if (!is_on_heap()) {
      one_ = x;
      return;
    }
    set_runs(runs() + 1);
    block()[runs()] = {x.first_page, x.pages, x.frame, 1};
  }
  void push_front(const placed_extent* first, std::size_t count)
  {
    if (count == 0) return;
    reserve(runs() + count);
    if (!is_on_heap()) {
      one_ = *first;
      return;
    }
    run* const all = block() + 1;
    std::copy_backward(all, all + runs(), all + runs() + count);
    std::transform(first, first + count, all,
                   [](const placed_extent& x) { return run{x.first_page, x.pages, x.frame, 1}; });
    set_runs(runs() + count);
  }

  /// Of lists without joined extents. The last one gets so many pages more, or less:
  void lengthen_back(page_count pages) noexcept { last_pages() += pages; }
  void shorten_back(page_count pages) noexcept { last_pages() -= pages; }
  void pop_back() noexcept { resize(runs() - 1); }
  /// the first one loses so many.
  void shorten_front(page_count pages) noexcept
  {
    const placed_extent first = run_at(0).whole();
    const placed_extent rest{first.first_page + pages, first.pages - pages, first.frame + pages};
    if (is_on_heap()) block()[1] = {rest.first_page, rest.pages, rest.frame, 1};
    else one_ = rest;
  }

  /// Takes out the extents that end at page `until` or before, and calls gone(extent) with what of each run goes.
  template <class Gone>
  void drop_front(page_count until, Gone&& gone) noexcept
  {
    if (!is_on_heap()) {
      if (one_.pages == 0 || one_.end() > until) return;
      gone(std::exchange(one_, {}));
      return;
    }
    run* const all = block() + 1;
    std::size_t whole = 0;
    for (; whole < runs(); ++whole) {
      run& r = all[whole];
      const page_count count = until >= r.end() ? r.count : until > r.first_page ? (until - r.first_page) / r.pages : 0;
      if (count == 0) break;
      const page_count pages = count * r.pages;
      gone(placed_extent{r.first_page, pages, r.frame});
      if (count == r.count) continue;
      r = {r.first_page + pages, r.pages, r.frame + pages, r.count - count};
      break;
    }
    if (whole == 0) return;
    std::copy(all + whole, all + runs(), all);
    resize(runs() - whole);
  }

  void clear() noexcept
  {
    if (is_on_heap()) ::operator delete(block());
    one_ = {};
  }

 private:
  // No level has so many frames. Then `frame` has the number of runs, and the rest is their address.
  static constexpr page_count on_heap = page_count{1} << 31;

  [[nodiscard]] bool is_on_heap() const noexcept { return (one_.frame & on_heap) != 0; }
  /// The runs are behind the first of them, whose `count` is for how many there is room.
  [[nodiscard]] run* block() const noexcept
  {
    run* out = nullptr;
    std::memcpy(&out, static_cast<const void*>(&one_), sizeof out);
    return out;
  }
  [[nodiscard]] run run_at(std::size_t which) const noexcept
  {
    return is_on_heap() ? block()[which + 1] : run{one_.first_page, one_.pages, one_.frame, 1};
  }
  [[nodiscard]] page_count& last_pages() noexcept { return is_on_heap() ? block()[runs()].pages : one_.pages; }
  /// Of a list that is on the heap.
  void set_runs(std::size_t count) noexcept { one_.frame = static_cast<page_count>(count) | on_heap; }
  void resize(std::size_t count) noexcept
  {
    if (count == 0) clear();
    else set_runs(count);
  }

  placed_extent one_;  // or the address of the block
};
static_assert(sizeof(extent_list) == 12 && sizeof(void*) <= 8);

}  // namespace kvstrata
