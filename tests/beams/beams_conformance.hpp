// What every beam layout must do: run it on your own with a file of a few lines,
//
//   TEST_CASE("my beams") { kvstrata_test::beams_conformance<my_layout>(); }
//
// Beams are written, forked and read through the layout, and a naive model keeps each beam's whole line in a vector.
#pragma once

#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/beams/concepts.hpp>

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvstrata_test {

enum class parents_are : std::uint8_t { random, ascending, identical, themselves, last_first };

/// Parents for `width` beams out of `before`, ascending where the layout asks for that.
inline std::vector<std::uint32_t> parents_of(std::mt19937& random, parents_are how, std::uint32_t before,
                                             std::uint32_t width, bool ascending)
{
  std::vector<std::uint32_t> parents(width);
  const auto same = static_cast<std::uint32_t>(random() % before);
  for (std::uint32_t b = 0; b < width; ++b) {
    switch (how) {
      case parents_are::random:
      case parents_are::ascending: parents[b] = static_cast<std::uint32_t>(random() % before); break;
      case parents_are::identical: parents[b] = same; break;
      case parents_are::themselves: parents[b] = (std::min)(b, before - 1); break;
      case parents_are::last_first: parents[b] = before - 1 - b % before; break;
    }
  }
  if (ascending || how == parents_are::ascending) std::sort(parents.begin(), parents.end());
  return parents;
}

/// One request: `widths` beams step by step. Returns how many rows were moved.
template <kvstrata::beam_layout Layout>
std::uint64_t run_beams(Layout& layout, std::mt19937& random, std::span<const std::uint32_t> widths, parents_are how)
{
  std::vector<std::uint64_t> scratch(layout.rows(), 0);  // what a row holds: a value that nobody wrote twice
  std::vector<std::vector<std::uint64_t>> lines;         // of the beams, by the naive model
  std::uint64_t next = 1;
  std::uint64_t moved = 0;
  for (std::uint32_t step = 0; step < widths.size(); ++step) {
    if (step == 0) {
      layout.start(widths[0]);
      lines.assign(widths[0], {});
    } else {
      const auto parents = parents_of(random, how, layout.width(), widths[step], Layout::ascending_parents);
      for (const kvstrata::beam_move& m : layout.fork(parents)) {
        REQUIRE(std::uint64_t{m.from} + m.rows <= scratch.size());
        REQUIRE(std::uint64_t{m.to} + m.rows <= scratch.size());
        REQUIRE((m.from + m.rows <= m.to || m.to + m.rows <= m.from));
        std::copy_n(scratch.begin() + m.from, m.rows, scratch.begin() + m.to);
        moved += m.rows;
      }
      std::vector<std::vector<std::uint64_t>> forked;
      for (const std::uint32_t p : parents) forked.push_back(lines[p]);
      lines = std::move(forked);
    }
    REQUIRE(layout.steps() == step + 1);
    REQUIRE(layout.width() == widths[step]);
    std::set<std::uint32_t> written;
    for (std::uint32_t b = 0; b < widths[step]; ++b) {
      const std::uint32_t row = layout.row(step, b);
      REQUIRE(row < scratch.size());
      REQUIRE(written.insert(row).second);  // a row a beam
      scratch[row] = next;
      lines[b].push_back(next++);
    }
    for (std::uint32_t b = 0; b < widths[step]; ++b) {
      for (std::uint32_t s = 0; s <= step; ++s) REQUIRE(scratch[layout.row(s, b)] == lines[b][s]);
    }
  }
  return moved;
}

template <kvstrata::beam_layout Layout>
void beams_conformance()
{
  using kvstrata::usage_error;
  std::mt19937 random(7);
  constexpr parents_are orders[] = {parents_are::random, parents_are::ascending, parents_are::identical,
                                    parents_are::themselves, parents_are::last_first};
  const std::vector<std::uint32_t> shapes[] = {{1},          {1, 1, 1},          {1, 2, 2},       {4, 4, 4, 4},
                                               {1, 7, 7, 7}, {1, 128, 256, 512}, {512, 512, 512}, {9, 3, 8, 1, 5}};
  for (const auto& reserved : shapes) {
    Layout layout(reserved);
    for (const parents_are how : orders) {
      for (int request = 0; request < 4; ++request) {
        std::vector<std::uint32_t> widths = reserved;  // all of it, then less: fewer beams than reserved, fewer steps
        if (request >= 2) {
          for (std::uint32_t& w : widths) w = 1 + static_cast<std::uint32_t>(random() % w);
          widths.resize(1 + random() % widths.size());
        }
        run_beams(layout, random, widths, how);
      }
    }
  }

  // In steady state nothing is allocated.
  Layout warm(std::vector<std::uint32_t>{3, 3, 3});
  const std::uint32_t ascending[] = {0, 0, 2};
  const std::size_t before = allocations();
  for (int request = 0; request < 3; ++request) {
    warm.start(3);
    warm.fork(ascending);
    warm.fork(ascending);
  }
  REQUIRE(allocations() == before);

  // What is refused, and that nothing has changed then.
  Layout layout(std::vector<std::uint32_t>{2, 3});
  const auto refused = [&](std::vector<std::uint32_t> parents) {
    const std::uint32_t steps = layout.steps(), width = layout.width();
    std::vector<std::uint32_t> rows;
    for (std::uint32_t s = 0; s < steps; ++s) {
      for (std::uint32_t b = 0; b < width; ++b) rows.push_back(layout.row(s, b));
    }
    const std::string sentence = sentence_of<usage_error>([&] { layout.fork(parents); });
    REQUIRE(layout.steps() == steps);
    REQUIRE(layout.width() == width);
    std::size_t at = 0;
    for (std::uint32_t s = 0; s < steps; ++s) {
      for (std::uint32_t b = 0; b < width; ++b) REQUIRE(layout.row(s, b) == rows[at++]);
    }
    return sentence;
  };
  CHECK(refused({0}) == "beams cannot fork before start() was called");
  CHECK(sentence_of<usage_error>([&] { layout.start(0); }) ==
        "the beams of step 0 are 0, but there must be at least 1");
  CHECK(sentence_of<usage_error>([&] { layout.start(3); }) == "the beams of step 0 are 3, but 2 are reserved");
  layout.start(2);
  CHECK(refused({}) == "the beams of step 1 are 0, but there must be at least 1");
  CHECK(refused({0, 0, 0, 1}) == "the beams of step 1 are 4, but 3 are reserved");
  CHECK(refused({0, 2}) == "beam 1 cannot go on from beam 2: there are 2");
  if (Layout::ascending_parents) {
    CHECK(
        refused({0, 1, 0}) ==
        "beams that are reordered in place need ascending parents: beam 2 goes on from beam 0, and beam 1 from beam 1; "
        "sort the selected beams by parent");
  }
  layout.fork(std::vector<std::uint32_t>{0, 1, 1});
  CHECK(refused({0}) == "there is no room for beams of step 2: 2 are reserved");
  CHECK(sentence_of<kvstrata::config_error>([] { Layout(std::vector<std::uint32_t>{2, 0}); }) ==
        "the beam width of step 1 is 0, but it must be at least 1");
  CHECK(sentence_of<kvstrata::config_error>([] { Layout(std::vector<std::uint32_t>(3, 1U << 31U)); }) ==
        "the rows of beams is 6442450944, but they may be at most 4294967295");
  Layout none{std::span<const std::uint32_t>()};
  CHECK(none.rows() == 0);
  CHECK(sentence_of<usage_error>([&] { none.start(1); }) == "there is no room for beams of step 0: 0 are reserved");
}

}  // namespace kvstrata_test
