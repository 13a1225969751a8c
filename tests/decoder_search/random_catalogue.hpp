// Random catalogues: distinct tuples, sorted.
#pragma once

#include "decoder/catalogue/catalogue.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <vector>

namespace decoder_test {

/// As many tuples, uniform, ascending and distinct: [items][codebooks.size()].
inline std::vector<std::uint32_t> random_tuples(std::uint64_t seed, std::span<const std::uint32_t> codebooks,
                                                std::size_t items)
{
  std::mt19937_64 random(seed);
  // As numbers to the bases of the codebooks, which order as the tuples do.
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
    for (std::size_t level = codebooks.size(); level-- > 0;) {
      tuples[i * codebooks.size() + level] = static_cast<std::uint32_t>(number % codebooks[level]);
      number /= codebooks[level];
    }
  }
  return tuples;
}

inline std::shared_ptr<const decoder::item_trie> random_trie(std::uint64_t seed,
                                                             std::span<const std::uint32_t> codebooks,
                                                             std::size_t items)
{
  return std::make_shared<const decoder::item_trie>(codebooks, random_tuples(seed, codebooks, items));
}

}  // namespace decoder_test
