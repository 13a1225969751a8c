// The shipped beam layouts and one of a third party under the suite; what each moves and reserves.
#include "beams/beams_conformance.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/beams/move_rows.hpp>
#include <kvstrata/beams/reorder_in_place.hpp>
#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cstring>

using namespace kvstrata;
using namespace kvstrata_test;

namespace {

// As a third party would write one: two copies of the scratch, the beams of a step copied from the one to the other.
class two_halves
{
 public:
  static constexpr bool ascending_parents = false;

  explicit two_halves(std::span<const std::uint32_t> widths) : beams_(widths) {}
  [[nodiscard]] std::uint32_t rows() const { return 2 * half(); }
  [[nodiscard]] std::uint32_t steps() const { return beams_.steps(); }
  [[nodiscard]] std::uint32_t width() const { return beams_.width(); }
  [[nodiscard]] std::uint32_t row(std::uint32_t step, std::uint32_t beam) const
  {
    return steps() % 2 * half() + step * beams_.widest() + beam;
  }
  void start(std::uint32_t width)
  {
    beams_.start(width);
    moves_.reserve(half());
  }
  std::span<const beam_move> fork(std::span<const std::uint32_t> parents)
  {
    beams_.check_fork(parents, ascending_parents);
    moves_.clear();
    const std::uint32_t to = (steps() + 1) % 2 * half();
    for (std::uint32_t step = 0; step < steps(); ++step) {
      for (std::uint32_t b = 0; b < parents.size(); ++b) {
        moves_.push_back({row(step, parents[b]), to + step * beams_.widest() + b, 1});
      }
    }
    beams_.fork(parents.size());
    return moves_;
  }

 private:
  [[nodiscard]] std::uint32_t half() const
  {
    return beams_.widest() * static_cast<std::uint32_t>(beams_.reserved().size());
  }
  beam_steps beams_;
  std::vector<beam_move> moves_;
};

// As reorder_in_place, without asking for ascending parents: what the contract is there for.
std::vector<std::uint32_t> in_place(std::span<const std::uint32_t> parents)
{
  std::vector<std::uint32_t> slots(parents.size());
  for (std::uint32_t b = 0; b < slots.size(); ++b) slots[b] = b;
  for (std::size_t b = 0; b < slots.size(); ++b) {
    if (parents[b] > b) slots[b] = slots[parents[b]];
  }
  for (std::size_t b = slots.size(); b-- > 0;) {
    if (parents[b] < b) slots[b] = slots[parents[b]];
  }
  return slots;
}

}  // namespace

TEST_CASE("beams reordered in place: conformance") { beams_conformance<reorder_in_place>(); }
TEST_CASE("beams by their ancestors: conformance") { beams_conformance<ancestor_indexed>(); }

TEST_CASE("beams of a third party: random requests")
{
  std::mt19937 random(3);
  two_halves layout(std::vector<std::uint32_t>{1, 8, 8, 8});
  for (int request = 0; request < 20; ++request) {
    run_beams(layout, random, std::vector<std::uint32_t>{1, 5, 8, 2}, parents_are::random);
  }
}

TEST_CASE("beams reordered in place: what is moved are the beams that are not where their parent was")
{
  std::mt19937 random(11);
  reorder_in_place layout(std::vector<std::uint32_t>(4, 64));
  for (int round = 0; round < 50; ++round) {
    layout.start(64);
    for (std::uint32_t step = 1; step < 4; ++step) {
      const auto parents = parents_of(random, parents_are::ascending, 64, 64, true);
      std::uint64_t rows = 0, expected = 0;
      for (const beam_move& m : layout.fork(parents)) rows += m.rows;
      for (std::uint32_t b = 0; b < 64; ++b) expected += parents[b] == b ? 0 : step;
      REQUIRE(rows == expected);
    }
  }
}

TEST_CASE("beams by their ancestors: nothing moves, and only what a step can have is reserved")
{
  const std::vector<std::uint32_t> widths{1, 128, 256, 512};
  std::mt19937 random(5);
  ancestor_indexed layout(widths);
  CHECK(layout.rows() == 897);
  CHECK(reorder_in_place(widths).rows() == 2048);
  CHECK(run_beams(layout, random, widths, parents_are::random) == 0);
  REQUIRE(layout.rows_of(1).size() == 512);
  for (std::uint32_t b = 0; b < 512; ++b) REQUIRE(layout.rows_of(1)[b] == layout.row(1, b));
}

TEST_CASE("beams in place: parents that do not ascend would come out wrong, most of the time")
{
  std::mt19937 random(13);
  int wrong_sorted = 0, wrong_unsorted = 0;
  for (int round = 0; round < 2000; ++round) {
    auto parents = parents_of(random, parents_are::random, 8, 8, false);
    wrong_unsorted += in_place(parents) == parents ? 0 : 1;
    std::sort(parents.begin(), parents.end());
    wrong_sorted += in_place(parents) == parents ? 0 : 1;
  }
  CHECK(wrong_sorted == 0);
  CHECK(wrong_unsorted > 1000);
}

TEST_CASE("beams: rows are moved in all layers, K and V, and every byte is counted")
{
  const geometry shape{.layers = 3, .kv_heads = 2, .head_dim = 4, .element = element_type::f32};
  const std::vector<std::uint32_t> widths{4, 4};
  reorder_in_place layout(widths);
  page_table table;
  const page_id pages[] = {to_page(5), to_page(0), to_page(3)};
  table.add(pages, 0, layout.rows(), 3);
  const std::size_t page = 3 * shape.token_layer_bytes();
  std::vector<std::byte> slab(6 * page * shape.layers, std::byte{0});
  const page_table_view view = table.view(slab.data(), {6 * page, page}, shape, 3);
  const auto value = [&](std::uint32_t l, std::uint32_t row, bool v) {
    return static_cast<std::byte>(1 + l * 50 + row * 2 + (v ? 1 : 0));
  };
  for (std::uint32_t l = 0; l < shape.layers; ++l) {
    for (std::uint32_t row = 0; row < layout.rows(); ++row) {
      std::memset(view.key(l, 0, row), static_cast<int>(value(l, row, false)), shape.key_bytes());
      std::memset(view.key(l, 0, row) + view.value_offset(), static_cast<int>(value(l, row, true)), shape.key_bytes());
    }
  }
  layout.start(4);
  const std::uint32_t parents[] = {1, 1, 1, 3};
  const std::uint64_t moved = move_rows(view, 0, layout.fork(parents));
  CHECK(moved == 2 * shape.token_bytes());  // beams 0 and 2, a token each
  for (std::uint32_t l = 0; l < shape.layers; ++l) {
    for (std::uint32_t b = 0; b < 4; ++b) {
      const std::uint32_t was = 2 * parents[b];
      REQUIRE(*view.key(l, 0, layout.row(0, b)) == value(l, was, false));
      REQUIRE(view.key(l, 0, layout.row(0, b))[shape.key_bytes() - 1] == value(l, was, false));
      REQUIRE(*(view.key(l, 0, layout.row(0, b)) + view.value_offset()) == value(l, was, true));
    }
  }
  beam_traffic sum{.prompt_bytes = 1, .own_bytes = 2, .moved_bytes = 3};
  sum += {.prompt_bytes = 10, .own_bytes = 20, .moved_bytes = moved};
  CHECK(sum == beam_traffic{.prompt_bytes = 11, .own_bytes = 22, .moved_bytes = 3 + moved});
  CHECK(sum.read() == 33);
  CHECK(separated_tokens(2500, 512, 3) == 2500 + 512 * 3);
  CHECK(copied_tokens(2500, 512, 3) == 512 * 2503);
}
