// What is remembered of texts, against a lookup of every token anew.
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/page_table.hpp>
#include <kvstrata/prototypes/stand_in_finder.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

using kvstrata_test::sentence_of;

namespace {

constexpr std::uint32_t finder_dimensions = 6, finder_words = 24;
constexpr kvstrata::geometry finder_shape{2, 1, 4, kvstrata::element_type::f32};

/// Words have features; pages of one token have what prototypes learn.
struct finder_bed
{
  std::mt19937_64 random{11};
  std::vector<std::vector<float>> words;
  std::vector<std::byte> memory = std::vector<std::byte>(kvstrata::page_bytes(finder_shape, 1));
  kvstrata::page_table one;
  kvstrata::prototype_pool pool{{.dimensions = finder_dimensions, .planes = 1, .least_cosine = 0.9F}, finder_shape};

  finder_bed()
  {
    one.start(1);
    one.append(0, 1);
    one.finish_request(0, 1, 1);
    for (std::uint32_t w = 0; w < finder_words; ++w) {
      words.emplace_back();
      for (std::uint32_t i = 0; i < finder_dimensions; ++i)
        words.back().push_back(static_cast<float>(static_cast<std::int32_t>(random() % 2001) - 1000));
    }
  }
  bool learn(std::uint32_t word)
  {
    return pool.learn(words[word], one.view(memory.data(), kvstrata::layer_first(finder_shape, 1, 1), finder_shape, 1),
                      0, 0);
  }
  [[nodiscard]] std::vector<float> features_of(const std::vector<std::uint32_t>& text) const
  {
    std::vector<float> out;
    for (const std::uint32_t w : text) out.insert(out.end(), words[w].begin(), words[w].end());
    return out;
  }
  [[nodiscard]] std::vector<std::uint32_t> anew(const std::vector<std::uint32_t>& text) const
  {
    std::vector<std::uint32_t> out;
    for (const std::uint32_t w : text) {
      const auto near = pool.index().nearest(words[w]);
      out.push_back(near ? near->number : kvstrata::stand_in_finder::none);
    }
    return out;
  }
  [[nodiscard]] std::vector<std::uint32_t> ask(kvstrata::stand_in_finder& finder,
                                               const std::vector<std::uint32_t>& text) const
  {
    const auto found = finder.find(std::as_bytes(std::span(text)), static_cast<kvstrata::token_count>(text.size()),
                                   [&] { return features_of(text); });
    return {found.begin(), found.end()};
  }
};

}  // namespace

TEST_CASE("stand_in_finder: what it remembers is what a lookup gives, and it is bounded", "[prototypes]")
{
  finder_bed b;
  for (std::uint32_t w = 0; w < 3; ++w) REQUIRE(b.learn(w));
  std::vector<std::vector<std::uint32_t>> texts{{}};
  for (int i = 0; i < 12; ++i) {
    std::vector<std::uint32_t>& text = texts.emplace_back();
    for (std::size_t t = 0, count = 1 + b.random() % 9; t < count; ++t)
      text.push_back(static_cast<std::uint32_t>(b.random() % finder_words));
  }
  std::uint64_t fewest = ~0ULL;
  std::uint32_t next = 3;
  for (const std::size_t most : {std::size_t{0}, std::size_t{20}, std::size_t{1000}}) {
    kvstrata::stand_in_finder finder(b.pool, most);

    for (int round = 0; round < 600; ++round) {
      if (round % 150 == 149) {
        while (!b.learn(next++)) REQUIRE(next < finder_words);
      }
      const auto& text = texts[b.random() % texts.size()];
      REQUIRE(b.ask(finder, text) == b.anew(text));
      REQUIRE(finder.remembered_tokens() <= most);
    }
    if (most == 0) CHECK(finder.lookups() > 500);
    CHECK(finder.lookups() < fewest);
    fewest = finder.lookups();
  }
  CHECK(fewest <= texts.size() * 4 + 1);  // once a version of the pool; of the last one text was asked for
}

TEST_CASE("stand_in_finder: a text that is used again is counted once", "[prototypes]")
{
  finder_bed b;
  REQUIRE(b.learn(0));
  kvstrata::stand_in_finder finder(b.pool, 20);  // ten of the newest, and as many before these
  const auto tokens_after = [&](std::uint32_t word) {
    static_cast<void>(b.ask(finder, std::vector<std::uint32_t>(4, word)));
    return finder.remembered_tokens();
  };
  CHECK(tokens_after(0) == 4);
  CHECK(tokens_after(1) == 8);
  CHECK(tokens_after(2) == 12);
  CHECK(tokens_after(0) == 12);  // it was of the older ones
  CHECK(finder.lookups() == 3);
}

TEST_CASE("stand_in_finder: a text is looked up once a version of the pool, and what was used lately stays",
          "[prototypes]")
{
  finder_bed b;
  REQUIRE(b.learn(0));
  kvstrata::stand_in_finder finder(b.pool, 8);
  const std::vector<std::uint32_t> one{0, 1}, two{1, 1}, three{0, 0}, four{1, 0};
  for (int i = 0; i < 3; ++i) CHECK(b.ask(finder, one) == b.anew(one));
  CHECK(finder.lookups() == 1);
  CHECK(b.ask(finder, two) == b.anew(two));
  CHECK(b.ask(finder, three) == b.anew(three));  // the older half is now one and two
  CHECK(b.ask(finder, one) == b.anew(one));
  CHECK(finder.lookups() == 3);
  CHECK(b.ask(finder, four) == b.anew(four));  // and now one and three
  CHECK(b.ask(finder, one) == b.anew(one));
  CHECK(finder.lookups() == 4);
  CHECK(b.ask(finder, two) == b.anew(two));
  CHECK(finder.lookups() == 5);

  CHECK(b.ask(finder, one) == std::vector<std::uint32_t>{0, kvstrata::stand_in_finder::none});
  REQUIRE(b.learn(1));
  CHECK(b.ask(finder, one) == std::vector<std::uint32_t>{0, 1});
  kvstrata::prototype_pool other({.dimensions = finder_dimensions, .planes = 0, .least_cosine = 0.9F}, finder_shape);
  b.pool = other;  // as a node that has got another one
  CHECK(b.ask(finder, one) == std::vector<std::uint32_t>(2, kvstrata::stand_in_finder::none));

  const std::vector<std::uint32_t> wrong{2, 3, 4};
  CHECK(sentence_of<kvstrata::usage_error>([&] {
          static_cast<void>(finder.find(std::as_bytes(std::span(wrong)), 3, [] { return std::vector<float>(17); }));
        }) == "a text of 3 tokens has features of 17 numbers, but prototypes have 6 dimensions");
  CHECK(b.ask(finder, wrong) == b.anew(wrong));
}
