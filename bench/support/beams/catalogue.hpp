// A catalogue of 1.52 million items, and what other ways of constraining keep of it.
#pragma once

#include "decoder/catalogue/catalogue.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <vector>

namespace beams_bench {

inline constexpr std::size_t items_of_catalogue = 1'520'000;

/// Uniform, distinct, ascending.
[[nodiscard]] inline std::vector<std::uint32_t> random_tuples(std::span<const std::uint32_t> codebooks,
                                                              std::size_t items, std::uint64_t seed)
{
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> numbers;
  while (numbers.size() < items) {
    for (std::size_t i = numbers.size(); i < items; ++i) {
      std::uint64_t number = 0;
      for (const std::uint32_t tokens : codebooks) number = number * tokens + random() % tokens;
      numbers.push_back(number);
    }
    std::sort(numbers.begin(), numbers.end());
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
  std::vector<std::uint32_t> tuples(items * codebooks.size());
  for (std::size_t i = 0; i < items; ++i) {
    std::uint64_t number = numbers[i];
    for (std::size_t level = codebooks.size(); level-- > 0; number /= codebooks[level]) {
      tuples[i * codebooks.size() + level] = static_cast<std::uint32_t>(number % codebooks[level]);
    }
  }
  return tuples;
}

/// A prefix as a number: its tokens, 16 bits each (codebooks are smaller), and how many they are.
[[nodiscard]] inline std::uint64_t prefix_number(std::span<const std::uint32_t> tokens)
{
  std::uint64_t number = tokens.size();
  for (const std::uint32_t token : tokens) number = number << 16 | token;
  return number;
}

/// Of depth up to 3 (a number of 64 bits a prefix).
struct hashes
{
  boost::unordered_flat_set<std::uint64_t> prefixes;                              ///< every prefix that is one
  boost::unordered_flat_map<std::uint64_t, std::vector<std::uint32_t>> children;  ///< the tokens behind each

  hashes(std::span<const std::uint32_t> tuples, std::size_t depth)
  {
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < tuples.size(); i += depth) {
      const auto tuple = tuples.subspan(i, depth);
      for (std::size_t level = 1; level <= depth; ++level) {
        if (!prefixes.insert(prefix_number(tuple.first(level))).second) continue;
        last = prefix_number(tuple.first(level - 1));
        children[last].push_back(tuple[level - 1]);
      }
    }
  }
};

}  // namespace beams_bench
