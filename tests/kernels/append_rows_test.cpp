// The body of append_rows on the CPU, over all ranks, against page_table_view's own arithmetic.
#include "kernels/watched_memory.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/layout/append_rows.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

/// A slab with a few requests in it, and new rows for some of their tokens.
struct scene
{
  explicit scene(unsigned seed, geometry shape, token_count page_tokens, std::size_t askew = 0) : draw_(seed)
  {
    const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(draw_() % n); };
    const std::uint32_t requests = 1 + below(5);
    std::vector<token_interval> windows(requests);
    page_count used = 0;
    for (token_interval& w : windows) {
      w.begin = below(2) == 0 ? 0 : below(5 * page_tokens);
      w.end = w.begin + below(4 * page_tokens);
      used += pages_of(w, page_tokens).size();
    }
    const page_count all = used + 3;
    std::vector<page_id> ids(all);
    for (page_count i = 0; i < all; ++i) ids[i] = to_page(i);
    std::shuffle(ids.begin(), ids.end(), draw_);
    std::span<const page_id> free = ids;
    for (const token_interval w : windows) {
      const page_count pages = pages_of(w, page_tokens).size();
      table_.add(free.first(pages), w.begin, w.end, page_tokens);
      free = free.subspan(pages);
    }

    const paged_layout layout{.page_tokens = page_tokens};
    slab_.assign(page_bytes(shape, page_tokens) * all + 64, std::byte{0xA5});
    const std::size_t lost = (64 - host_memory::address(slab_.data()) % 64) % 64;
    slab_.resize(slab_.size() + 64, std::byte{0xA5});
    view_ = table_.view(slab_.data() + lost + askew, layout.device_place(shape, all), shape, page_tokens);
    for (std::uint32_t r = 0; r < requests; ++r) origins_.push_back(view_.origin(r));
    for (std::uint32_t r = 0; r < requests; ++r) {
      for (token_count t = windows[r].begin; t < windows[r].end; ++t) {
        if (below(3) != 0) where_.push_back({r, t});
      }
    }
    std::shuffle(where_.begin(), where_.end(), draw_);
    for (const auto& [request, position] : where_) {
      requests_.push_back(request);
      positions_.push_back(position);
    }
  }

  /// K with `padding` bytes between rows, V behind it with twice as many; both begin `shift` bytes behind a multiple of 64.
  new_rows rows(std::size_t padding = 0, std::size_t shift = 0)
  {
    const std::size_t row = view_.shape.key_bytes();
    const std::size_t all_keys = ((row + padding) * where_.size() + 63) / 64 * 64;
    source_.resize(all_keys + (row + 2 * padding) * where_.size() + 128);
    for (std::byte& b : source_) b = static_cast<std::byte>(draw_());
    const std::size_t lost = (64 - host_memory::address(source_.data()) % 64) % 64;
    const std::byte* const begin = source_.data() + lost + shift;
    return {.keys = begin,
            .values = begin + all_keys,
            .key_stride = row + padding,
            .value_stride = row + 2 * padding,
            .requests = requests_.data(),
            .positions = positions_.data(),
            .rows = static_cast<std::uint32_t>(where_.size())};
  }

  /// Appends to a layer and compares: the rows are in their pages, all else is as it was, no byte is written twice.
  void append_and_compare(layer_index layer, const new_rows& from, std::uint32_t blocks)
  {
    const std::size_t row = view_.shape.key_bytes();
    std::vector<std::byte> expected = slab_;
    std::vector<std::uint32_t> writes(slab_.size());
    for (std::size_t i = 0; i < where_.size(); ++i) {
      const std::byte* const key = view_.key(layer, where_[i].request, where_[i].position);
      for (const bool value : {false, true}) {
        const auto at = static_cast<std::size_t>(key - slab_.data()) + (value ? view_.value_offset() : 0);
        std::memcpy(expected.data() + at, value ? from.values + i * from.value_stride : from.keys + i * from.key_stride,
                    row);
        for (std::size_t b = 0; b < row; ++b) ++writes[at + b];
      }
    }
    const paged_layer to = this->layer(layer);
    check(to, from);
    watch(source_.data(), source_.size(), slab_.data(), slab_.size());
    const append_rows<watched_memory> body{.to = to, .from = from, .width = append_width(to, from)};
    REQUIRE(body.most_rows() >= from.rows);
    const std::uint32_t all = blocks == 0 ? body.blocks() : blocks;
    std::vector<std::uint32_t> ranks(all * append_threads);
    std::iota(ranks.begin(), ranks.end(), 0U);
    std::shuffle(ranks.begin(), ranks.end(), draw_);
    for (const std::uint32_t rank : ranks) body(rank / append_threads, all, rank % append_threads);
    REQUIRE(slab_ == expected);
    REQUIRE(accesses.writes == writes);
  }

  [[nodiscard]] const page_table_view& view() const { return view_; }
  [[nodiscard]] paged_layer layer(layer_index l) const
  {
    return layer_of(view_, l, view_.page_ids.data(), page_origins{origins_.data()});
  }

 private:
  struct token
  {
    std::uint32_t request;
    token_count position;
  };
  std::mt19937 draw_;
  page_table table_;
  std::vector<std::int32_t> origins_;
  std::vector<std::byte> slab_, source_;
  page_table_view view_;
  std::vector<token> where_;
  std::vector<std::uint32_t> requests_;
  std::vector<token_count> positions_;
};

std::string fault_of(const paged_layer& to, const new_rows& from)
{
  try {
    check(to, from);
  } catch (const error& e) {
    return e.what();
  }
  return "nothing is wrong";
}

}  // namespace

TEST_CASE("append_rows: random batches, shapes and elements land where the page table says")
{
  unsigned seed = 1;
  for (const element_type element : {element_type::f32, element_type::bf16, element_type::int8}) {
    for (const std::uint32_t head_dim : {1U, 3U, 8U, 30U, 64U, 129U}) {
      for (const token_count page_tokens : {1U, 5U, 32U}) {
        const geometry shape{.layers = 3, .kv_heads = 1 + seed % 4, .head_dim = head_dim, .element = element};
        scene s(seed, shape, page_tokens);
        CAPTURE(seed, to_string(shape), page_tokens);
        s.append_and_compare(seed % 3, s.rows(seed % 2 == 0 ? 0 : seed % 37), seed % 5);
        ++seed;
      }
    }
  }
}

TEST_CASE("append_rows: rows of 16-byte multiples travel in words of 16 bytes, whatever the stride")
{
  const geometry shape{.layers = 2, .kv_heads = 4, .head_dim = 32, .element = element_type::bf16};
  scene s(5, shape, 16);
  for (const std::size_t padding : {0U, 16U, 4096U}) {
    const new_rows rows = s.rows(padding);
    REQUIRE(rows.rows > 0);
    s.append_and_compare(1, rows, 0);
    CHECK(accesses.stores_of[16] == 2 * rows.rows * shape.key_bytes() / 16);
    CHECK(accesses.loads_of[16] >= accesses.stores_of[16]);
    CHECK(accesses.loads_of[8] + accesses.loads_of[4] + accesses.loads_of[2] + accesses.loads_of[1] == 0);
  }
}

TEST_CASE("append_rows: whatever is not aligned narrows the words")
{
  const geometry shape{.layers = 2, .kv_heads = 4, .head_dim = 32, .element = element_type::bf16};
  for (const std::size_t width : {8U, 4U, 2U, 1U}) {
    CAPTURE(width);
    scene aligned(6, shape, 8);
    const new_rows shifted = aligned.rows(0, width);
    CHECK(append_width(aligned.layer(0), shifted) == width);
    aligned.append_and_compare(0, shifted, 3);
    CHECK(accesses.stores_of[width] == 2 * shifted.rows * shape.key_bytes() / width);
    const new_rows strided = aligned.rows(width);
    CHECK(append_width(aligned.layer(0), strided) == width);
    aligned.append_and_compare(0, strided, 0);
    const new_rows one = aligned.rows();
    CHECK(append_width(aligned.layer(0), one) == 16);
    for (std::uint64_t new_rows::* stride : {&new_rows::key_stride, &new_rows::value_stride}) {
      new_rows other = one;
      other.*stride += width;
      CHECK(append_width(aligned.layer(0), other) == width);
    }
    for (const std::byte* new_rows::* data : {&new_rows::keys, &new_rows::values}) {
      new_rows other = one;
      other.*data += width;
      CHECK(append_width(aligned.layer(0), other) == width);
    }
    paged_layer apart = aligned.layer(0);
    apart.page_stride += width;
    CHECK(append_width(apart, one) == width);
    apart = aligned.layer(0);
    apart.key_bytes += static_cast<std::uint32_t>(width);
    CHECK(append_width(apart, one) == width);
    scene askew(7, shape, 8, width);
    const new_rows rows = askew.rows();
    CHECK(append_width(askew.layer(1), rows) == width);
    askew.append_and_compare(1, rows, 0);
  }
}

TEST_CASE("append_rows: a list in parts is the list, and no rows are nothing")
{
  const geometry shape{.layers = 1, .kv_heads = 2, .head_dim = 8, .element = element_type::bf16};
  scene s(11, shape, 4);
  const new_rows all = s.rows(6);
  REQUIRE(all.rows > 3);
  const new_rows rest = part_of(all, 3, all.rows - 3);
  CHECK(rest.keys == all.keys + 3 * all.key_stride);
  CHECK(rest.values == all.values + 3 * all.value_stride);
  CHECK(rest.requests == all.requests + 3);
  CHECK(rest.positions == all.positions + 3);
  CHECK(rest.rows == all.rows - 3);

  const append_rows<watched_memory> none{.to = s.layer(0), .from = part_of(all, 0, 0), .width = 1};
  CHECK(none.blocks() == 0);
  watch(nullptr, 0, nullptr, 0);
  for (std::uint32_t thread = 0; thread < append_threads; ++thread) none(0, 1, thread);
  CHECK(std::accumulate(accesses.loads_of.begin(), accesses.loads_of.end(), 0U) == 0);
}

TEST_CASE("append_rows: a grid has blocks for all words, at most as many as it may")
{
  paged_layer to{.page_tokens = 32, .key_bytes = 1024};
  const append_rows<watched_memory> body{.to = to, .from = {.rows = 100}, .width = 16};
  CHECK(body.blocks() == (100 * 128 + 1023) / 1024);
  CHECK(body.blocks(4) == 4);
  CHECK(body.most_rows() == (1U << 31U) / 128);
  to.key_bytes = 1U << 28U;
  CHECK(append_rows<watched_memory>{.to = to, .from = {}, .width = 1}.most_rows() == 4);
}

TEST_CASE("append_rows: a window that begins behind page 0 needs the page table's origins")
{
  const geometry shape{.layers = 1, .kv_heads = 2, .head_dim = 8, .element = element_type::bf16};
  page_table table;
  const std::vector<page_id> ids{to_page(3), to_page(1)};
  std::byte memory[1024];
  const auto view = [&] { return table.view(memory, paged_layout{.page_tokens = 4}.device_place(shape, 4), shape, 4); };
  table.add(ids, 2, 8, 4);
  CHECK(layer_of(view(), 0, view().page_ids.data(), view().indptr.data()).key(0, 5) == memory + 1 * 256 + 32);
  table.add(ids, 9, 14, 4);
  CHECK(kvstrata_test::sentence_of<usage_error>([&] {
          static_cast<void>(layer_of(view(), 0, view().page_ids.data(), view().indptr.data()));
        }) == "layer_of: the window of request 1 begins at token 9, behind page 0, so the kernel needs page_origins");
  const std::int32_t origins[] = {view().origin(0), view().origin(1)};
  CHECK(origins[1] == 0);  // its pages begin at 2, and two pages lie before them
  const paged_layer both = layer_of(view(), 0, view().page_ids.data(), page_origins{origins});
  CHECK(both.key(0, 5) == memory + 1 * 256 + 32);
  CHECK(both.key(1, 9) == memory + 3 * 256 + 32);
  CHECK(both.key(1, 13) == memory + 1 * 256 + 32);
}

TEST_CASE("append_rows: what cannot be right is named")
{
  const geometry shape{.layers = 1, .kv_heads = 2, .head_dim = 8, .element = element_type::bf16};
  scene s(3, shape, 4);
  const new_rows rows = s.rows();
  const paged_layer to = s.layer(0);
  REQUIRE(rows.rows > 0);
  CHECK(fault_of(to, rows) == "nothing is wrong");

  const auto with = [](auto value, auto change) {
    change(value);
    return value;
  };
  CHECK(fault_of(with(to, [](paged_layer& l) { l.page_tokens = 0; }), rows) ==
        "paged_layer.page_tokens is 0, but it must be at least 1");
  CHECK(fault_of(with(to, [](paged_layer& l) { l.key_bytes = 0; }), rows) ==
        "paged_layer.key_bytes is 0, but it must be at least 1");
  CHECK(fault_of(with(to, [](paged_layer& l) { l.key_bytes = (1U << 28U) + 1; }), rows) ==
        "paged_layer.key_bytes is 268435457, but it may be at most 268435456");
  CHECK(fault_of(with(to, [](paged_layer& l) { l.page_stride = 255; }), rows) ==
        "paged_layer.page_stride is 255, but a page of 4 tokens has 256 bytes of K and V");
  CHECK(fault_of(with(to, [](paged_layer& l) { l.page_ids = nullptr; }), rows) ==
        "append_rows: paged_layer.page_ids is null, but there are rows to append");
  CHECK(fault_of(with(to, [](paged_layer& l) { l.indptr = nullptr; }), rows) ==
        "append_rows: paged_layer.indptr is null, but there are rows to append");
  CHECK(fault_of(with(to, [](paged_layer& l) { l.base = nullptr; }), rows) ==
        "append_rows: paged_layer.base is null, but there are rows to append");
  for (const auto& [change, name] : {std::pair{+[](new_rows& r) { r.keys = nullptr; }, "keys"},
                                     std::pair{+[](new_rows& r) { r.values = nullptr; }, "values"},
                                     std::pair{+[](new_rows& r) { r.requests = nullptr; }, "requests"},
                                     std::pair{+[](new_rows& r) { r.positions = nullptr; }, "positions"}}) {
    CHECK(fault_of(to, with(rows, change)) ==
          std::string("append_rows: new_rows.") + name + " is null, but there are rows to append");
  }
  CHECK(fault_of(to, new_rows{}) == "nothing is wrong");
}
