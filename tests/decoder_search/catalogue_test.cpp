// Catalogues: the trie beside a set of tuples, files, eligibility, versions, and what is refused.
#include "decoder/catalogue/tuples.hpp"
#include "decoder_search/random_catalogue.hpp"
#include "support/catch.hpp"
#include "support/effort.hpp"
#include "support/sentence_of.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace decoder;
using namespace decoder_test;
using kvstrata_test::sentence_of;

namespace {

using words = std::vector<std::uint32_t>;

// Walks all of a trie, beside the tuples that it was made of.
void compare(const item_trie& trie, std::span<const std::uint32_t> tuples)
{
  const std::size_t depth = trie.depth();
  const std::size_t items = tuples.size() / depth;
  REQUIRE(trie.items() == items);
  for (std::uint32_t level = 0; level < depth; ++level) {
    std::size_t begin = 0;  // of the items below the node
    std::uint32_t node = 0;
    std::uint32_t child = 0;
    while (begin < items) {
      const auto prefix = tuples.subspan(begin * depth, level);
      std::size_t end = begin;
      words expected;
      while (end < items &&
             std::equal(prefix.begin(), prefix.end(), tuples.begin() + static_cast<std::ptrdiff_t>(end * depth))) {
        const std::uint32_t token = tuples[end * depth + level];
        if (expected.empty() || expected.back() != token) expected.push_back(token);
        ++end;
      }
      const item_trie::children below = trie.children_of(level, node);
      REQUIRE(below.first == child);
      REQUIRE(std::equal(below.tokens.begin(), below.tokens.end(), expected.begin(), expected.end()));
      const auto range = trie.items_below(level, node);
      REQUIRE(range.begin == begin);
      REQUIRE(range.end == end);
      for (const std::uint32_t token : {expected.front(), expected.back()}) {
        const auto found = std::lower_bound(expected.begin(), expected.end(), token) - expected.begin();
        REQUIRE(trie.child(level, node, token) == child + static_cast<std::uint32_t>(found));
      }
      if (expected.size() < trie.codebooks()[level]) {
        std::uint32_t missing = 0;
        while (std::binary_search(expected.begin(), expected.end(), missing)) ++missing;
        REQUIRE(!trie.child(level, node, missing));
      }
      child += static_cast<std::uint32_t>(expected.size());
      ++node;
      begin = end;
    }
    REQUIRE(trie.nodes(level) == node);
    REQUIRE(trie.nodes(level + 1) == child);
  }
}

struct shape
{
  words codebooks;
  std::size_t items;
};

// A file in the folder for such, gone with this object.
struct text_file
{
  std::filesystem::path path;
  explicit text_file(const std::string& text)
      : path(std::filesystem::temp_directory_path() / ("kvstrata_tuples_" + std::to_string(std::random_device{}())))
  {
    std::ofstream(path, std::ios::binary) << text;
  }
  ~text_file() { std::filesystem::remove(path); }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;
};

}  // namespace

TEST_CASE("item trie: every node, token and item of random catalogues, depths 1 to 5")
{
  const shape shapes[] = {{{1}, 1},
                          {{7}, 3},
                          {{7}, 7},
                          {{5, 5}, 25},
                          {{64, 64}, 300},
                          {{9, 200, 3}, 900},
                          {{512, 512, 512}, 20'000},
                          {{30, 30, 30, 30}, 5'000},
                          {{2, 3, 2, 3, 2}, 40}};
  for (const shape& s : shapes) {
    const words tuples = random_tuples(s.items, s.codebooks, s.items);
    const item_trie trie(s.codebooks, tuples);
    compare(trie, tuples);
    for (std::size_t i = 0; i < s.items; i += 1 + s.items / 50) {
      words tuple(tuples.begin() + static_cast<std::ptrdiff_t>(i * s.codebooks.size()),
                  tuples.begin() + static_cast<std::ptrdiff_t>((i + 1) * s.codebooks.size()));
      REQUIRE(trie.find(tuple) == static_cast<std::uint32_t>(i));
      tuple.back() = 0xffffffff;
      REQUIRE(!trie.find(tuple));
    }
  }
}

TEST_CASE("item trie: the catalogues of the papers, 1.52 million items, depths 3 and 4")
{
  std::vector<shape> shapes{{{512, 512, 512}, 430'000}};
  if (kvstrata_test::effort > 1) {
    shapes = {{{512, 512, 512}, 1'520'000}, {{8192, 8192, 8192}, 1'520'000}, {{8192, 8192, 8192, 8192}, 1'520'000}};
  }
  for (const shape& s : shapes) {
    const words tuples = random_tuples(1, s.codebooks, s.items);
    const item_trie trie(s.codebooks, tuples);
    const std::size_t depth = s.codebooks.size();
    REQUIRE(trie.items() == s.items);
    words tuple(depth);
    for (std::uint32_t item = 0; item < s.items; item += 97) {  // walked to by its tokens
      std::uint32_t node = 0;
      for (std::uint32_t level = 0; level < depth; ++level) {
        const auto child = trie.child(level, node, tuples[item * depth + level]);
        REQUIRE(child.has_value());
        node = *child;
      }
      REQUIRE(node == item);
    }
  }
}

TEST_CASE("item trie: what is refused")
{
  const auto refused = [](words codebooks, words tuples) {
    return sentence_of<kvstrata::config_error>([&] { const item_trie trie(codebooks, tuples); });
  };
  CHECK(refused({}, {1}) == "the catalogue's depth is 0, but it must be at least 1");
  CHECK(refused(words(9, 2), words(9, 1)) == "the catalogue's depth is 9, but it may be at most 8");
  CHECK(refused({4, 0}, {1, 0}) == "the codebook of level 1 is 0, but it must have at least 1 token");
  CHECK(refused({4, 1U << 25U}, {1, 0}) ==
        "the codebook of level 1 is 33554432, but it may have at most 16777216 tokens");
  CHECK(refused({4, 4}, {}) == "the catalogue's items is 0, but there must be at least 1");
  CHECK(refused({4, 4}, {1, 2, 3}) == "the catalogue's tokens is 3, but tuples of 2 tokens make a multiple of that");
  CHECK(refused({4, 4}, {1, 2, 3, 4}) ==
        "the catalogue's tuple 1 is (3, 4), but token 4 of level 1 is outside its codebook, which has 4");
  CHECK(refused({4, 4}, {1, 2, 1, 2}) == "the catalogue's tuple 1 is (1, 2), but (1, 2) is there twice");
  CHECK(refused({4, 4}, {1, 2, 1, 1}) ==
        "the catalogue's tuple 1 is (1, 1), but (1, 1) comes behind (1, 2), but tuples must ascend");
}

TEST_CASE("tuples: read from a file, and what is wrong with one is said with its line")
{
  const words codebooks{10, 20, 30};
  const text_file good("# three levels\n0 1 2\n0,1,29\r\n\n  3\t19 , 4  \n9 0 0");
  CHECK(read_tuples(good.path, codebooks) == words{0, 1, 2, 0, 1, 29, 3, 19, 4, 9, 0, 0});
  const auto refused = [&](const std::string& text) {
    const text_file file(text);
    const std::string all =
        sentence_of<kvstrata::data_error>([&] { static_cast<void>(read_tuples(file.path, codebooks)); });
    return all.substr(std::min(all.size(), file.path.string().size()));
  };
  CHECK(refused("0 1 2\n# one\n0 1 2\n") == ":3: (0, 1, 2) is there twice");
  CHECK(refused("0 1 2\n0 1 1\n") == ":2: (0, 1, 1) comes behind (0, 1, 2), but tuples must ascend");
  CHECK(refused("0 20 2\n") == ":1: token 20 of level 1 is outside its codebook, which has 20");
  CHECK(refused("0 1\n") == ":1: a tuple has 2 tokens, but the catalogue's depth is 3");
  CHECK(refused("0 1 2 3\n") == ":1: a tuple has 4 tokens, but the catalogue's depth is 3");
  CHECK(refused("0 1 x\n") == ":1: 'x' is no token: decimal numbers below 2^32 are");
  CHECK(refused("0 -1 2\n") == ":1: '-1' is no token: decimal numbers below 2^32 are");
  CHECK(refused("0 99999999999 2\n") == ":1: '99999999999' is no token: decimal numbers below 2^32 are");
  CHECK(refused("# nothing\n\n") == ": there is no tuple in it");
  CHECK(sentence_of<kvstrata::data_error>([&] { static_cast<void>(read_tuples("no/such/file", codebooks)); }) ==
        "no/such/file: it cannot be opened");
}

TEST_CASE("eligible items: a prefix may be walked into exactly where an eligible item begins with it")
{
  std::mt19937_64 random(8);
  const words codebooks{12, 30, 25};
  for (const std::size_t count : {1U, 63U, 64U, 65U, 900U}) {
    const auto trie = random_trie(count, codebooks, count);
    for (int round = 0; round < 6; ++round) {
      std::vector<std::uint64_t> bits((count + 63) / 64);
      for (std::uint64_t& word : bits) {
        word = round == 0   ? 0
               : round == 1 ? ~std::uint64_t{0}
               : round < 4  ? random() & random() & random() & random()
                            : random();
      }
      const eligible_items eligible(trie, bits, count);
      std::uint32_t expected = 0;
      for (std::size_t i = 0; i < count; ++i) expected += (bits[i / 64] >> (i % 64) & 1U) != 0 ? 1U : 0U;
      REQUIRE(eligible.count() == expected);
      for (std::uint32_t level = 0; level <= 3; ++level) {
        for (std::uint32_t node = 0; node < trie->nodes(level); ++node) {
          const auto range = trie->items_below(level, node);
          bool any = false;
          for (std::uint32_t i = range.begin; i < range.end; ++i) any = any || (bits[i / 64] >> (i % 64) & 1U) != 0;
          REQUIRE(eligible.allows(level, node) == any);
        }
      }
    }
  }
  const auto trie = random_trie(1, codebooks, 70);
  const std::vector<std::uint64_t> mask(2);
  CHECK(sentence_of<kvstrata::config_error>([&] { const eligible_items e(trie, mask, 71); }) ==
        "the mask of eligible items is 71 bits, but the catalogue has 70 items");
  CHECK(sentence_of<kvstrata::config_error>([&] { const eligible_items e(trie, std::span(mask).first(1), 70); }) ==
        "the mask of eligible items is 1 words, but 70 bits take 2");
}

TEST_CASE("catalogue versions: a request keeps what it began with, whatever is published meanwhile")
{
  const words codebooks{6, 6};
  const auto version_of = [&](std::size_t items) {
    return std::make_shared<const catalogue>(random_trie(items, codebooks, items));
  };
  catalogue_versions versions(version_of(5));
  const auto began = versions.current();
  std::weak_ptr<const catalogue> old = began;
  versions.publish(version_of(9));
  CHECK(began->showable() == 5);
  CHECK(versions.current()->showable() == 9);
  CHECK(sentence_of<kvstrata::usage_error>([&] { versions.publish(nullptr); }) ==
        "a catalogue that is published must not be null");
  CHECK(versions.current()->showable() == 9);

  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> requests;
  for (int t = 0; t < 3; ++t) {
    requests.emplace_back([&] {
      while (!stop) {
        const auto mine = versions.current();
        const std::uint32_t items = mine->showable();
        for (std::uint32_t level = 0; level < 2; ++level) {
          if (mine->items().items_below(level, 0).end > items) ++wrong;
        }
        if (mine->showable() != items) ++wrong;
      }
    });
  }
  for (std::size_t i = 0; i < 200; ++i) versions.publish(version_of(1 + i % 30));
  stop = true;
  for (std::thread& t : requests) t.join();
  CHECK(wrong == 0);
  CHECK(!old.expired());  // began still has it
}
